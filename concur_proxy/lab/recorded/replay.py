"""Runs recorded agents in virtual time."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from concur_proxy.lab.engine.engine import EngineShape
from concur_proxy.lab.recorded.agents import RecordedAgents
from concur_proxy.lab.recorded.request import RecordedRequest
from concur_proxy.lab.simulation.agent import Request
from concur_proxy.lab.simulation.experiment import Experiment
from concur_proxy.lab.simulation.policy import Policy
from concur_proxy.lab.simulation.scenario import Scenario
from concur_proxy.lab.simulation.trace import TracePopulation

SEED = 1
"""Nothing about a recording is random."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayedTurn:
    """A request as it was recorded, and how it went in the replay. Times are in seconds."""

    recorded: RecordedRequest
    duration_s: float
    """From the request to the end of its answer, the wait included."""
    wait_s: float
    first_token_s: float
    """From the request to its first token."""
    cached_tokens: int
    recomputed_tokens: int
    """Tokens of its prompt that had been computed before for the same conversation."""
    refusals: int
    """How often the gateway refused it because it had waited for too long, before its client's next try."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One replay of the whole load."""

    turns: Sequence[ReplayedTurn]
    """In the order in which the answers ended."""
    busy_s: float
    """Seconds in which an engine computed, added up over the engines."""
    kept_no_caches: float
    """Share of the turns at whose end no cache was worth keeping until the next turn, so that nobody had to wait."""

    @property
    def recomputed_tokens(self) -> int:
        """Tokens that were computed again."""
        return sum(turn.recomputed_tokens for turn in self.turns)

    @property
    def prompt_tokens(self) -> int:
        """Tokens of all prompts."""
        return sum(turn.recorded.prompt_tokens for turn in self.turns)


def replay(agents: RecordedAgents, *, engines: int, shape: EngineShape, policy: Policy) -> Arm:
    """Let the agents run. Each begins when it began in the recording; their turns follow each other's answers.

    Raises `ValueError` if a request does not fit into the engine's cache.
    """
    scenario = Scenario(
        name="recording",
        summary="",
        populations=[TracePopulation(recorded=agents.plans)],
        shape=shape,
        engines=engines,
    )
    turns: list[ReplayedTurn] = []
    answered: Counter[str] = Counter()
    kept_none: list[float] = []

    def watch(request: Request, ended_at: float) -> None:
        name = request.plan.name
        recorded = agents.requests[name][answered[name]]
        answered[name] += 1
        gates = experiment.gateway.fleet.gates.values()
        kept_none.append(fmean(gate.snapshot().gives_way == "lease" for gate in gates))
        turns.append(
            ReplayedTurn(
                recorded=recorded,
                duration_s=ended_at - request.sent_at,
                wait_s=(request.admitted_at or request.sent_at) - request.sent_at,
                first_token_s=(request.first_at or ended_at) - request.sent_at,
                cached_tokens=request.cached_tokens,
                recomputed_tokens=max(0, min(request.history_tokens, request.prompt_tokens) - request.cached_tokens),
                refusals=request.refusals,
            )
        )

    experiment = Experiment(scenario, policy, SEED, keeps_courses=False, watch=watch)
    experiment.run()
    busy_s = sum(engine.busy_s for engine in experiment.engines)
    return Arm(turns=turns, busy_s=busy_s, kept_no_caches=fmean(kept_none) if kept_none else 0.0)
