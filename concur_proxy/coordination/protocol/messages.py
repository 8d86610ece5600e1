"""What replicas and their leader tell each other. No message holds a time of day: clocks need not agree."""

import msgspec

from concur_proxy.admission.arrival import Answered, Arrival
from concur_proxy.admission.changes import EndSession, EngineChange, Reachable
from concur_proxy.admission.handover import SessionRecord
from concur_proxy.control.law import Budget
from concur_proxy.coordination.protocol.manual import ManualSettings


class Message(msgspec.Struct, frozen=True, kw_only=True, array_like=True, tag=True):
    """Any of these."""


class Claim(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """A request that a replica has in hand, by the replica's own number for it."""

    number: int
    arrival: Arrival
    """As it came to the replica."""
    seniority: int | None
    """Its session's seniority as far as the replica has been told; None: not yet."""
    engine: str
    """Where it is in flight; empty while it is held."""
    waited_s: float
    """Seconds since it came."""


class Join(Message, frozen=True, kw_only=True):
    """A replica has all of these in hand, and nothing else."""

    join: int
    """Its number among the replica's joins."""
    claims: tuple[Claim, ...]


class Arrive(Message, frozen=True, kw_only=True):
    """A request has come to a replica."""

    claim: Claim


class Finish(Message, frozen=True, kw_only=True):
    """A request is over, well or badly, whether it was waiting or in flight."""

    number: int
    answered: Answered


class Overloaded(EngineChange, frozen=True, kw_only=True):
    """The engine refused a request because it is overloaded. The gateway that moves its window must hear of it."""


class Call(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """What a person asks of the gateways, as an HTTP request puts it; whoever sends it on has let the person pass."""

    method: str
    path: str
    query: str = ""
    body: bytes = b""


class Reply(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """What is said to that, as an HTTP answer puts it."""

    status: int
    body: bytes
    """JSON."""


class Ask(Message, frozen=True, kw_only=True):
    """A replica passes a call on."""

    number: int
    """Its own for it."""
    call: Call


class Told(Message, frozen=True, kw_only=True):
    """The leader answers one."""

    number: int
    reply: Reply


class Held(Message, frozen=True, kw_only=True):
    """The leader holds a request."""

    join: int
    """The replica's last join that the leader has heard: what was decided before it counts no more."""
    number: int
    seniority: int
    position: int
    """Place in the line, from 1."""
    wait_s: float
    """What this place will probably take."""


class Decided(Message, frozen=True, kw_only=True):
    """The leader has decided on a request."""

    join: int
    """As above."""
    number: int
    outcome: str
    """An `Outcome`'s value."""
    engine: str
    seniority: int
    position: int
    wait_s: float
    found: str
    """A `SessionState`'s value: where the session stood when the request came."""


class Rejoin(Message, frozen=True, kw_only=True):
    """The leader has lost sight of a replica: it shall join anew."""


class EngineStanding(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """What a replica must know of an engine to go on alone."""

    window: float | None
    """None: any number of sessions."""
    budget: Budget | None
    is_up: bool
    models: tuple[str, ...] | None
    lease_s: float
    """How long an idle session keeps its place while others wait."""


class Standing(Message, frozen=True, kw_only=True):
    """How the fleet stands, told by the leader now and then."""

    engines: dict[str, EngineStanding]
    replicas: int
    laws: dict[str, dict[str, float]]
    """What each engine's control law has learnt."""
    manual: ManualSettings
    """What operators have set."""


ToLeader = Join | Arrive | Finish | EndSession | Reachable | Overloaded | Ask
ToReplica = Held | Decided | Rejoin | Standing | Told


class Batch(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """Messages from one sender, numbered without a gap from 0."""

    sender: str
    number: int
    messages: tuple[ToLeader | ToReplica, ...]


encode_batch = msgspec.msgpack.Encoder().encode
decode_batch = msgspec.msgpack.Decoder(Batch).decode
encode_record = msgspec.msgpack.Encoder().encode

_MSGPACK_ARRAY = b"\xdd"
"""Of up to 2^32 values; their number follows in four bytes, and then they."""
_decode_records = msgspec.msgpack.Decoder(list[SessionRecord]).decode


def decode_records(number: int, encoded: bytes) -> list[SessionRecord]:
    """So many encoded records, one behind the other."""
    return _decode_records(_MSGPACK_ARRAY + number.to_bytes(4, "big") + encoded)
