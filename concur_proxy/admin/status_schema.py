"""What the admin API answers about engines, tenants and decisions."""

from pydantic import ConfigDict, Field

from concur_proxy.admin.engine_words import Level
from concur_proxy.admin.history_schema import EffectStatus
from concur_proxy.admin.schema import CallInput, CallResult
from concur_proxy.admin.session_schema import SessionStatus
from concur_proxy.control.options import OptionValue


class StateFilter(CallInput):
    """How much of the state."""

    model_config = ConfigDict(extra="ignore")

    sessions: int = Field(200, ge=0, le=200, description="At most so many sessions")


class LawStatus(CallResult):
    """The control law of an engine."""

    name: str
    options: dict[str, OptionValue]
    enforced: bool = Field(description="False if the window is only reported and no session waits for it")


class WindowStatus(CallResult):
    """How much may be active at an engine."""

    sessions: float | None = Field(description="Sessions that may be active; null: no limit")
    tokens: float | None = Field(description="Cache tokens that active sessions may use; null: no limit")
    by_hand: bool = Field(description="Whether an operator set the window. It stays until it is set back to automatic")


class SessionCounts(CallResult):
    """The sessions of an engine, by state."""

    active: int = Field(description="Sessions that have a place in the window: running or between turns")
    paused: int = Field(description="Sessions that had a place and gave it up between two turns")
    queued: int = Field(description="Sessions that have not had a place yet")
    waiting: int = Field(description="Sessions without a place that have a waiting request")


class RequestCounts(CallResult):
    """The requests of an engine."""

    held: int = Field(description="Requests that wait for admission")
    in_flight: int = Field(description="Requests at the engine")


class GoalStatus(CallResult):
    """What matters most at one engine, and whether it is reached."""

    name: str = Field(description="throughput, balanced or first-token")
    first_token_target_s: float | None = Field(
        description="Seconds within which the first token of 99 % of answers should come, wait included"
    )
    first_token_p99_s: float | None = Field(description="The same of the latest 512 answers; null: too few answers")
    met: bool | None = Field(description="Whether the target is met; null: no target, or too few answers")
    let_through: int = Field(description="Requests that were let through early so far")
    text: str = Field(description="The goal in words")


class EngineStatus(CallResult):
    """One engine."""

    engine: str = Field(description="Name of the engine")
    server: str | None = Field(description="URL by which it is added and removed; null while it is being removed")
    health: str = Field(description="Its state in one line")
    health_level: Level = Field(description="good; warning: it works, with a limitation; bad: it does not work")
    reachable: bool
    circuit: str = Field(description="closed, half_open or open. While it is open, other engines get the work")
    kind: str | None = Field(description="Kind of engine, recognised by its metrics; null: not known yet")
    models: list[str] | None = Field(description="Models that it lists; null: not known, and treated as all models")
    signals: str = Field(description="fresh or stale")
    signal_age_s: float = Field(description="Seconds since its metrics were last read")
    problem: str | None = Field(description="Why its metrics cannot be read")
    law: LawStatus
    window: WindowStatus
    window_text: str = Field(description="The window in words")
    goal: GoalStatus
    sessions: SessionCounts
    requests: RequestCounts
    footprint_tokens: int = Field(description="Cache tokens that the active sessions need")
    answered_tokens: int = Field(description="Prompt and completion tokens of all answers so far")
    capacity_tokens: float | None = Field(description="Size of its KV cache in tokens")
    kv_usage: float | None = Field(description="Share of its KV cache in use, 0 to 1")
    hit_rate: float | None = Field(description="Prefix-hit rate of the last interval, 0 to 1")
    lease_s: float = Field(description="Seconds that a session between turns keeps its place while others wait")


class TenantStatus(CallResult):
    """One tenant at all engines together."""

    tenant: str = Field(description="Empty: requests without a tenant. `(others)`: all tenants that are not listed")
    active: int = Field(description="Its sessions that have a place in the window")
    waiting: int = Field(description="Its sessions that wait for a place")
    served_tokens: int = Field(description="Prompt and completion tokens of its answers so far")
    share: float | None = Field(description="Its part of all weighted tokens, 0 to 1; null: nothing was served yet")
    weight: float | None = Field(
        description="Its share in comparison with that of other tenants; null: several tenants"
    )


class DecisionStatus(CallResult):
    """One decision about a window."""

    engine: str
    ago_s: float
    kind: str = Field(description="increase, decrease, hold, freeze or fallback")
    reason: str
    text: str = Field(description="The decision and its reason in one sentence")
    sessions: float | None = Field(description="The window in sessions; null: no limit")
    tokens: float | None = Field(description="The window in cache tokens; null: no limit")


class GatewayStatus(CallResult):
    """The whole gateway. Times are in seconds before now."""

    replica: str = Field(description="The gateway that answered: the leader, if there are several")
    role: str = Field(
        description="single: the only gateway; leading: decides for several; alone: cannot reach Redis and reports "
        "only its own state; following: no gateway leads at this moment"
    )
    replicas: int = Field(description="Gateways that share this state, as far as known")
    mode: str = Field(description="enforce; or observe: no request waits")
    laws: list[str] = Field(description="Control laws to choose from")
    unrecognised: float | None = Field(
        description="Share of the last 300 requests to the gateway that answered which named no session and continued "
        "no known conversation, 0 to 1; null: fewer than 100 requests so far"
    )
    shared_keys: int = Field(description="Session keys that name many parallel conversations each")
    effect: EffectStatus
    warnings: list[str] = Field(description="What keeps clients from gaining from the gateway, in sentences with a fix")
    engines: list[EngineStatus]
    tenants: list[TenantStatus] = Field(
        description="At most 50, those that were served most first, then `(others)`; empty: fewer than two tenants"
    )
    sessions_total: int
    sessions: list[SessionStatus] = Field(description="At most as many as asked for")
    decisions: list[DecisionStatus] = Field(description="At most 50, newest first")
