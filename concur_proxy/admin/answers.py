"""What the admin API answers."""

from pydantic import BaseModel, ConfigDict, Field

from concur_proxy.control.options import OptionValue


class Answer(BaseModel):
    """Any of these, or a part of one."""

    model_config = ConfigDict(extra="forbid")


class LawInForce(Answer):
    """What moves an engine's window."""

    name: str
    options: dict[str, OptionValue]
    enforced: bool = Field(description="Whether it holds anybody; else it is only observed")


class WindowInForce(Answer):
    """How much may be active."""

    sessions: float | None = Field(description="null: any number")
    tokens: float | None = Field(description="What their caches may fill; null: anything")
    by_hand: bool = Field(description="Whether a person has set it; it stays until it is released")


class SessionCounts(Answer):
    """An engine's sessions, by how they stand."""

    active: int
    paused: int
    queued: int
    waiting: int = Field(description="Those that have held requests")


class RequestCounts(Answer):
    """An engine's requests under admission."""

    held: int
    in_flight: int


class EngineState(Answer):
    """One engine."""

    engine: str = Field(description="Its name")
    server: str | None = Field(description="What it is added and given up by; null while it is given up")
    reachable: bool
    circuit: str = Field(description="closed, open or half_open: whether it is given work")
    kind: str | None = Field(description="Whose metrics it has: vllm or sglang; null: not known yet")
    models: list[str] | None = Field(description="What it lists; null: not known, which counts as all")
    signals: str = Field(description="fresh or stale")
    signal_age_s: float
    problem: str | None = Field(description="Why there are no signals")
    law: LawInForce
    window: WindowInForce
    sessions: SessionCounts
    requests: RequestCounts
    footprint_tokens: int = Field(description="Cache that the active sessions need")
    answered_tokens: int = Field(description="Prompt and completion tokens of all answers so far")
    capacity_tokens: float | None = Field(description="Size of its cache")
    kv_usage: float | None = Field(description="Part of its cache in use, 0 to 1")
    hit_rate: float | None = Field(description="Prefix hits of the last interval, 0 to 1")
    lease_s: float = Field(description="How long an idle session keeps its place while others wait")


class SessionState(Answer):
    """One session."""

    session_id: str = Field(description="Begins with a NUL where it is a request that named no session")
    engine: str
    state: str = Field(description="queued, active or paused")
    by_hand: bool = Field(description="Whether a person has paused it")
    preferred: bool = Field(description="Whether a person has put it first")
    place: int | None = Field(description="In the line, from 1; null: it does not wait")
    footprint_tokens: int
    turns: int
    wait_s: float = Field(description="How long its eldest held request has waited")
    in_flight: int = Field(description="Its requests at the engine")
    idle_s: float
    model: str | None


class DecisionMade(Answer):
    """One decision on a window."""

    engine: str
    ago_s: float
    kind: str = Field(description="increase, decrease, hold, freeze or fallback")
    reason: str
    text: str = Field(description="The decision and its reason as one sentence")
    sessions: float | None
    tokens: float | None


class GatewayState(Answer):
    """How everything stands. Times are seconds ago."""

    replica: str = Field(description="The gateway that tells it: of several the one that leads, whoever was asked")
    role: str = Field(
        description="single, or of several leading; alone: it cannot reach Redis and tells of itself only; following: "
        "nobody leads at this moment"
    )
    replicas: int = Field(description="Gateways that are one, as far as it knows")
    mode: str = Field(description="enforce, or observe: nobody is held")
    laws: list[str] = Field(description="Those that an engine can be given")
    engines: list[EngineState]
    sessions_total: int
    sessions: list[SessionState] = Field(description="200 at most")
    decisions: list[DecisionMade] = Field(description="The newest 50 at most, latest first")


class SessionList(Answer):
    """Sessions, 200 at most."""

    total: int = Field(description="How many there are")
    sessions: list[SessionState]


class SessionDone(Answer):
    """What was done to a session."""

    session_id: str
    done: str


class ServerList(Answer):
    """The servers that there are."""

    engines: list[str]
    added: list[str] = Field(description="By hand")
    removed: list[str] = Field(description="By hand, though the settings or a name's addresses name them")


class ServerDone(ServerList):
    """The same, after a change."""

    engine: str


class ErrorDetail(Answer):
    """Why not."""

    message: str
    type: str
    param: str | None
    code: str


class ErrorAnswer(Answer):
    """An error in OpenAI's shape."""

    error: ErrorDetail
