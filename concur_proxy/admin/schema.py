"""What the admin API takes and what it answers. The docstrings and descriptions appear in its OpenAPI document."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from concur_proxy.control.options import OptionValue
from concur_proxy.settings.kinds import engine_server

_OF_TENANT = "The session's tenant. Needed only if several tenants have a session of this name"


class CallInput(BaseModel):
    """Base class of what a call takes, from the query or from a JSON body."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class NoInput(CallInput):
    """The call takes nothing."""

    model_config = ConfigDict(extra="ignore")


class SessionFilter(CallInput):
    """One session, or all of them."""

    model_config = ConfigDict(extra="ignore")

    session_id: str | None = Field(None, description="Return only this session")
    tenant: str | None = Field(None, description=_OF_TENANT)


class SessionName(CallInput):
    """A session."""

    session_id: str = Field(min_length=1)
    tenant: str | None = Field(None, description=_OF_TENANT)


class ServerUrl(CallInput):
    """An engine server."""

    engine: Annotated[str, AfterValidator(engine_server)] = Field(
        description="Base URL without `/v1`. With `#dp=N`, each of its N data-parallel ranks is an engine"
    )


class EngineName(CallInput):
    """An engine, by its name in `GET /concur/v1/state`."""

    engine: str = Field(min_length=1)


class WindowInput(EngineName):
    """A window to set manually. Without both numbers, the present window is kept."""

    sessions: float | None = Field(None, ge=1, description="Sessions that may be active; null: no limit")
    tokens: float | None = Field(None, gt=0, description="Cache tokens that active sessions may use; null: no limit")


class LawInput(EngineName):
    """A control law and its options."""

    law: str = Field(min_length=1)
    options: dict[str, OptionValue] = Field(default_factory=dict)


class CallResult(BaseModel):
    """Base class of what a call answers, and of its parts."""

    model_config = ConfigDict(extra="forbid")


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


class EngineStatus(CallResult):
    """One engine."""

    engine: str = Field(description="Name of the engine")
    server: str | None = Field(description="URL by which it is added and removed; null while it is being removed")
    reachable: bool
    circuit: str = Field(description="closed, half_open or open. While it is open, other engines get the work")
    kind: str | None = Field(description="Kind of engine, recognised by its metrics; null: not known yet")
    models: list[str] | None = Field(description="Models that it lists; null: not known, and treated as all models")
    signals: str = Field(description="fresh or stale")
    signal_age_s: float = Field(description="Seconds since its metrics were last read")
    problem: str | None = Field(description="Why its metrics cannot be read")
    law: LawStatus
    window: WindowStatus
    sessions: SessionCounts
    requests: RequestCounts
    footprint_tokens: int = Field(description="Cache tokens that the active sessions need")
    answered_tokens: int = Field(description="Prompt and completion tokens of all answers so far")
    capacity_tokens: float | None = Field(description="Size of its KV cache in tokens")
    kv_usage: float | None = Field(description="Share of its KV cache in use, 0 to 1")
    hit_rate: float | None = Field(description="Prefix-hit rate of the last interval, 0 to 1")
    lease_s: float = Field(description="Seconds that a session between turns keeps its place while others wait")


class SessionStatus(CallResult):
    """One session."""

    session_id: str = Field(description="Begins with a NUL character for a request that named no session")
    tenant: str = Field(description="The tenant that the session belongs to; empty if it has none")
    engine: str
    state: str = Field(description="queued, active or paused")
    text: str = Field(
        description="The state in words: running, between turns, waiting (place 3), idle or paused by an operator"
    )
    by_hand: bool = Field(description="Whether an operator paused it")
    preferred: bool = Field(description="Whether an operator moved it to the front")
    place: int | None = Field(description="Place in the queue, from 1; null: it does not wait")
    footprint_tokens: int = Field(description="Cache tokens that it needs")
    turns: int = Field(description="Requests answered so far")
    wait_s: float = Field(description="Seconds that its oldest waiting request has waited")
    in_flight: int = Field(description="Its requests at the engine")
    idle_s: float = Field(description="Seconds since its last request ended, if it has none now")
    model: str | None


class TenantStatus(CallResult):
    """One tenant at all engines together."""

    tenant: str = Field(description="Empty: requests without a tenant. `(others)`: all tenants that are not listed")
    active: int = Field(description="Its sessions that have a place in the window")
    waiting: int = Field(description="Its sessions that wait for a place")
    served_tokens: int = Field(description="Prompt and completion tokens of its answers so far")
    share: float | None = Field(description="Its part of all served tokens, 0 to 1; null: nothing was served yet")
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
    warnings: list[str] = Field(description="What keeps clients from gaining from the gateway, in sentences with a fix")
    engines: list[EngineStatus]
    tenants: list[TenantStatus] = Field(
        description="At most 50, those that were served most first, then `(others)`; empty: fewer than two tenants"
    )
    sessions_total: int
    sessions: list[SessionStatus] = Field(description="At most 200")
    decisions: list[DecisionStatus] = Field(description="At most 50, newest first")


class SessionList(CallResult):
    """Sessions, at most 200."""

    total: int = Field(description="Number of all sessions")
    sessions: list[SessionStatus]


class SessionChanged(CallResult):
    """What was done to a session."""

    session_id: str
    done: str


class ServerList(CallResult):
    """The engine servers."""

    engines: list[str] = Field(description="Servers in use")
    added: list[str] = Field(description="Servers that were added manually")
    removed: list[str] = Field(description="Servers that were removed manually although the settings or DNS name them")


class ServersChanged(ServerList):
    """The engine servers after a change."""

    engine: str


class ErrorDetail(CallResult):
    """Why a call failed."""

    message: str
    type: str
    param: str | None
    code: str


class ErrorBody(CallResult):
    """An error in the format of the OpenAI API."""

    error: ErrorDetail
