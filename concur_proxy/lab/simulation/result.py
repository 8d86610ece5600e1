"""What came out of a run, in numbers."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import fmean

from concur_proxy.lab.simulation.course import CoursePoint
from concur_proxy.lab.simulation.engine import SimulatedEngine
from concur_proxy.lab.simulation.gateway import ControlLoop
from concur_proxy.lab.simulation.plan import AgentPlan
from concur_proxy.lab.simulation.request import Request


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One run. Times in seconds; a session's time is from its first request to its last answer."""

    scenario: str
    policy: str
    seed: int
    makespan_s: float
    sessions: int
    requests: int
    hit_rate: float
    """Prompt tokens found in the cache over those looked up, as the engines count."""
    reprefill_share: float
    """Tokens that sessions had computed before and had to compute again, over all prefilled ones."""
    preemptions: int
    busy_share: float
    """Part of the makespan in which an engine computed, their mean."""
    tokens_s: float
    """Answer tokens a second."""
    session_p50_s: float
    session_p99_s: float
    ttft_p50_s: float
    """From the request, so with its hold, to the answer's first token."""
    ttft_p99_s: float
    hold_p99_s: float
    longest_hold_s: float
    """The longest wait of one request, refusals and retries included."""
    refusals: int
    jain: float
    """Jain's fairness index over sessions' rates (own tokens over own time): 1 when all are served alike."""
    courses: tuple[tuple[CoursePoint, ...], ...] = field(default=(), repr=False)
    """Each engine's signals and window at each scrape."""


class Tally:
    """Counts while a run goes on. All that it keeps are 16 bytes a request and as many a session."""

    def __init__(self) -> None:
        self._first_s = array("d")
        self._hold_s = array("d")
        self._session_s = array("d")
        self._rates = array("d")
        self._reprefilled = 0
        self._refusals = 0
        self._ended_at = 0.0

    def request(self, request: Request) -> None:
        """An answer has ended."""
        assert request.first_at is not None  # noqa: S101 - an answer that ended has begun
        assert request.admitted_at is not None  # noqa: S101 - and was admitted
        self._first_s.append(request.first_at - request.sent_at)
        self._hold_s.append(request.admitted_at - request.sent_at)
        self._reprefilled += max(0, request.history_tokens - request.cached_tokens)
        self._refusals += request.refusals

    def session(self, plan: AgentPlan, *, began_at: float, ended_at: float) -> None:
        """An agent has had its last answer."""
        self._ended_at = ended_at
        self._session_s.append(ended_at - began_at)
        tools_s = sum(turn.gap_s for turn in plan.turns[:-1])
        served_s = max(ended_at - began_at - tools_s, 1e-9)
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
        """The numbers of the whole run."""
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
    """The value below which `share` of all lie (nearest rank); 0 when there are none."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def jains_index(values: Sequence[float]) -> float:
    """Fairness of an allocation (Jain, Chiu, Hawe 1984): (sum x)^2 / (n sum x^2), between 1/n and 1."""
    squares = sum(value * value for value in values)
    return 1.0 if squares == 0 else sum(values) ** 2 / (len(values) * squares)
