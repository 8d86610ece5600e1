"""How the gateway is set up for a run."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from concur_proxy.admission.goal import Goal
from concur_proxy.control.options import OptionValue


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A control law and the settings that go with it, as for `concur-proxy serve`."""

    name: str
    law: str
    summary: str = ""
    options: Mapping[str, OptionValue] = field(default_factory=dict)
    knows_sessions: bool = True
    """False: no request names its session, as with most clients. The gateway can recognise it by its prompt."""
    reads_prompts: bool = True
    """False: the gateway does not look at prompts. If `knows_sessions` is false too, each request is a session of its
    own, as under a limit on requests.
    """
    shares_key: bool = False
    """Whether all agents send the same key."""
    work_conserving: bool = True
    idle_lease_s: float | None = None
    """None: learned."""
    tells_cached: bool = True
    """Whether answers report how many prompt tokens were cached: vLLM's --enable-prompt-tokens-details, SGLang's
    --enable-cache-report.
    """
    hears_ends: bool = False
    """Whether the gateway knows of the end of every agent, as a scheduler inside the agents' framework does. A real
    gateway knows only of ends that agents report.
    """
    infinite_cache: bool = False
    """The lower bound: an engine that never evicts."""
    goal: Goal = Goal.THROUGHPUT
    """What matters most."""
    first_token_target_s: float | None = None
    max_hold_s: float = 540.0
    move_after_s: float = 8.0


FOR_LIFE_S = 1800.0
"""A lease that is longer than any tool call of the suite."""

CAPS = (4, 6, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 64, 96)
"""The static caps that the sweep tries."""

BEST_STATIC = "best-static"
"""Name of the sweep's result: the cap with the lowest mean total time over the seeds, known only afterwards."""

_ALL = (
    Policy(name="off", law="off", summary="no control: every request passes at once"),
    Policy(
        name="requests",
        law="static",
        summary="a limit on requests",
        options={"window": 24},
        knows_sessions=False,
        reads_prompts=False,
    ),
    Policy(
        name="static", law="static", summary="a fixed cap on sessions", options={"window": 24}, work_conserving=False
    ),
    Policy(
        name="aimd",
        law="aimd",
        summary="CONCUR (2601.22705): an agent keeps its place through its tool calls, until its end or a cut",
        work_conserving=False,
        idle_lease_s=FOR_LIFE_S,
        hears_ends=True,
    ),
    Policy(name="aimd-leased", law="aimd", summary="the paper's law under our leases", work_conserving=False),
    Policy(name="vegas", law="vegas", summary="a window by latency, as TCP Vegas has it", work_conserving=False),
    Policy(
        name="program-aware",
        law="tokens",
        summary="footprints up to the whole cache, without reserve, feedback or lease, as in ThunderAgent (2602.13692)",
        options={"factor": 1.0, "minimum": 1.0, "maximum": 1.0, "step": 0.0, "reserve_turns": 0.0},
        work_conserving=False,
        idle_lease_s=FOR_LIFE_S,
        hears_ends=True,
    ),
    Policy(
        name="idle-ttl",
        law="tokens",
        summary="as program-aware, but an idle session keeps its place for 2 s only, as in Continuum (2511.02230)",
        options={"factor": 1.0, "minimum": 1.0, "maximum": 1.0, "step": 0.0, "reserve_turns": 0.0},
        work_conserving=False,
        idle_lease_s=2.0,
        hears_ends=True,
    ),
    Policy(name="tokens", law="tokens", summary="the default: a window in tokens, moved by how much context was lost"),
    Policy(
        name="tokens-untold",
        law="tokens",
        summary="the same if answers do not report cached tokens",
        tells_cached=False,
    ),
    Policy(
        name="tokens-no-header",
        law="tokens",
        summary="the same if no request names its session: sessions are recognised by their prompts",
        knows_sessions=False,
    ),
    Policy(
        name="tokens-one-key",
        law="tokens",
        summary="the same if all agents send the same session key",
        shares_key=True,
    ),
    Policy(
        name="tokens-blind",
        law="tokens",
        summary="the same if no request names its session and prompts cannot be read",
        knows_sessions=False,
        reads_prompts=False,
    ),
    Policy(
        name="infinite-cache", law="off", summary="the lower bound: an engine that never evicts", infinite_cache=True
    ),
)

POLICIES = {policy.name: policy for policy in _ALL}


def static(cap: int) -> Policy:
    """A fixed cap on sessions, and nothing else."""
    return Policy(name=f"static-{cap}", law="static", options={"window": cap}, work_conserving=False)
