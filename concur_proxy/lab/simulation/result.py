"""The result of a run, in numbers."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import fmean

from concur_proxy.lab.simulation.agent import Request
from concur_proxy.lab.simulation.engine import SimulatedEngine
from concur_proxy.lab.simulation.gateway import ControlLoop, CoursePoint
from concur_proxy.lab.simulation.plan import AgentPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One run. Times are in seconds. A session's time is from its first request to the end of its last answer."""

    scenario: str
    policy: str
    seed: int
    makespan_s: float
    sessions: int
    requests: int
    hit_rate: float
    """Share of prompt tokens that were found in the cache, by the engines' counters."""
    reprefill_share: float
    """Share of prefilled tokens that had been computed before for the same session."""
    preemptions: int
    busy_share: float
    """Share of the total time in which an engine computed; mean over the engines."""
    tokens_s: float
    """Answer tokens per second."""
    busy_s: float
    """Seconds in which an engine computed, added up over the engines."""
    open_s: float
    """The total time without the times in which no request was open."""
    prompt_tokens: int
    recomputed_tokens: int
    """Prompt tokens that were not in the cache, although they had been computed before for the same session."""
    turn_mean_s: float
    """From the request to the end of its answer, including the wait for admission."""
    turn_p99_s: float
    served_mean_s: float
    """Mean time of a session without the times in which it waited for its tools or its user."""
    served_p99_s: float
    session_p50_s: float
    session_p99_s: float
    ttft_p50_s: float
    """From the request to the first token of its answer, including the wait for admission."""
    ttft_p99_s: float
    hold_p99_s: float
    longest_hold_s: float
    """The longest wait of one request, including refusals and retries."""
    refusals: int
    jain: float
    """Jain's fairness index over the sessions' rates (tokens per second of their own time): 1 if all are equal."""
    courses: tuple[tuple[CoursePoint, ...], ...] = field(default=(), repr=False)
    """The signals and the window at each scrape, for each engine."""


class Tally:
    """Counts during a run. It keeps 24 bytes per request and 24 bytes per session."""

    def __init__(self) -> None:
        self._first_s = array("d")
        self._hold_s = array("d")
        self._turn_s = array("d")
        self._session_s = array("d")
        self._served_s = array("d")
        self._prompt_tokens = 0
        self._open = 0
        self._opened_at = 0.0
        self._open_s = 0.0
        self._rates = array("d")
        self._reprefilled = 0
        self._refusals = 0
        self._ended_at = 0.0

    def sent(self, *, now: float) -> None:
        """An agent has sent a request."""
        if not self._open:
            self._opened_at = now
        self._open += 1

    def request(self, request: Request, *, now: float) -> None:
        """Count a request whose answer has ended."""
        self._open -= 1
        if not self._open:
            self._open_s += now - self._opened_at
        self._turn_s.append(now - request.sent_at)
        self._prompt_tokens += request.prompt_tokens
        assert request.first_at is not None  # noqa: S101 - an answer that ended has begun
        assert request.admitted_at is not None  # noqa: S101 - and was admitted
        self._first_s.append(request.first_at - request.sent_at)
        self._hold_s.append(request.admitted_at - request.sent_at)
        self._reprefilled += max(0, request.history_tokens - request.cached_tokens)
        self._refusals += request.refusals

    def session(self, plan: AgentPlan, *, began_at: float, ended_at: float) -> None:
        """Count a session whose agent has got its last answer."""
        self._ended_at = ended_at
        self._session_s.append(ended_at - began_at)
        tools_s = sum(turn.gap_s for turn in plan.turns[:-1])
        served_s = max(ended_at - began_at - tools_s, 1e-9)
        self._served_s.append(served_s)
        self._rates.append(plan.context_tokens / served_s)

    def result(
        self,
        *,
        scenario: str,
        policy: str,
        seed: int,
        engines: Sequence[SimulatedEngine],
        loops: Sequence[ControlLoop],
    ) -> Result:
        """The result of the whole run."""
        counters = [engine.model.counters for engine in engines]
        queries = sum(counter.prefix_queries for counter in counters)
        prefilled = sum(counter.prefilled for counter in counters)
        makespan_s = max(self._ended_at, 1e-9)
        return Result(
            scenario=scenario,
            policy=policy,
            seed=seed,
            makespan_s=self._ended_at,
            sessions=len(self._session_s),
            requests=len(self._first_s),
            hit_rate=sum(counter.prefix_hits for counter in counters) / max(queries, 1),
            reprefill_share=self._reprefilled / max(prefilled, 1),
            preemptions=sum(counter.preemptions for counter in counters),
            busy_share=fmean(engine.busy_s for engine in engines) / makespan_s,
            tokens_s=sum(counter.generated for counter in counters) / makespan_s,
            busy_s=sum(engine.busy_s for engine in engines),
            open_s=self._open_s,
            prompt_tokens=self._prompt_tokens,
            recomputed_tokens=self._reprefilled,
            turn_mean_s=_mean(self._turn_s),
            turn_p99_s=percentile(self._turn_s, 0.99),
            served_mean_s=_mean(self._served_s),
            served_p99_s=percentile(self._served_s, 0.99),
            session_p50_s=percentile(self._session_s, 0.5),
            session_p99_s=percentile(self._session_s, 0.99),
            ttft_p50_s=percentile(self._first_s, 0.5),
            ttft_p99_s=percentile(self._first_s, 0.99),
            hold_p99_s=percentile(self._hold_s, 0.99),
            longest_hold_s=max(self._hold_s, default=0.0),
            refusals=self._refusals,
            jain=jains_index(self._rates),
            courses=tuple(tuple(loop.course) for loop in loops),
        )


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` of all values lie (nearest rank); 0 without values."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _mean(values: Sequence[float]) -> float:
    return fmean(values) if values else 0.0


def jains_index(values: Sequence[float]) -> float:
    """Fairness of an allocation (Jain, Chiu, Hawe 1984): (sum x)^2 / (n sum x^2), between 1/n and 1."""
    squares = sum(value * value for value in values)
    return 1.0 if squares == 0 else sum(values) ** 2 / (len(values) * squares)
