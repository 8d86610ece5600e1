"""What gateways and their leader send each other. No message has a time of day, so clocks need not agree.

If an older gateway would misread a change here, raise `PROTOCOL` in `coordination.redis.link`.
"""

import msgspec

from concur_proxy.admission.arrival import Answered, Arrival
from concur_proxy.admission.changes import EndSession, EngineChange, Reachable
from concur_proxy.admission.handover import SessionRecord
from concur_proxy.control.law import Budget
from concur_proxy.coordination.protocol.manual import ManualSettings


class Message(msgspec.Struct, frozen=True, kw_only=True, array_like=True, tag=True, gc=False):
    """Base of all messages. None of them is part of a cycle, so Python's search for garbage passes them over."""


class Claim(msgspec.Struct, frozen=True, kw_only=True, array_like=True, gc=False):
    """An open request of a replica: it waits or is in flight."""

    number: int
    """The replica's own number for the request."""
    arrival: Arrival
    """The request as it arrived at the replica. If a leader has found its session by the prompt, with that name."""
    seniority: int | None
    """The seniority of the request's session, as the leader last reported it; None if it has not yet."""
    engine: str
    """Where it is in flight; empty while it waits."""
    waited_s: float
    """Seconds since it arrived."""


class Join(Message, frozen=True, kw_only=True):
    """A replica reports all its open requests."""

    join: int
    """How often the replica has joined."""
    claims: tuple[Claim, ...]


class Arrive(Message, frozen=True, kw_only=True):
    """A request has arrived at a replica."""

    claim: Claim


class Finish(Message, frozen=True, kw_only=True):
    """A request has ended, successfully or not, whether it was waiting or in flight."""

    number: int
    answered: Answered


class Overloaded(EngineChange, frozen=True, kw_only=True):
    """The engine refused a request because it is overloaded. The leader must know this, because it moves the window."""


class Call(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """A call of the admin API, as its HTTP request states it. The gateway that passes it on has checked the key."""

    method: str
    path: str
    query: str = ""
    body: bytes = b""


class Reply(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """The answer to a call, for an HTTP response."""

    status: int
    body: bytes
    """JSON."""


class Ask(Message, frozen=True, kw_only=True):
    """A replica passes a call on to the leader."""

    number: int
    """The replica's own number for the call."""
    call: Call


class Told(Message, frozen=True, kw_only=True):
    """The leader answers a call."""

    number: int
    reply: Reply


class Held(Message, frozen=True, kw_only=True):
    """The leader reports that a request waits, and its place in the queue."""

    join: int
    """The number of the replica's last join that the leader has received. The replica ignores decisions from before its
    newest join.
    """
    number: int
    seniority: int
    position: int
    """Place in the queue, from 1."""
    wait_s: float
    """Seconds that this place will probably take."""
    recognised_by: str = ""
    """The value of `Ticket.recognised_by`."""
    session: str = ""
    """The name of the session, as in `Decided`."""


class Decided(Message, frozen=True, kw_only=True):
    """A request was decided."""

    join: int
    """The last join that the leader has received, as in `Held`."""
    number: int
    outcome: str
    """The value of an `Outcome`."""
    engine: str
    seniority: int
    position: int
    wait_s: float
    found: str
    """The session's state when the request arrived: the value of a `SessionState`."""
    recognised_by: str = ""
    """The value of `Ticket.recognised_by`."""
    session: str = ""
    """The name of the session; empty for a single request that nothing can be recognised in."""


class Rejoin(Message, frozen=True, kw_only=True):
    """The leader has lost track of the replica, which must join again."""


class EngineStanding(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """What a replica must know about an engine to go on alone."""

    window: float | None
    """None: no limit."""
    budget: Budget | None
    is_up: bool
    models: tuple[str, ...] | None
    lease_s: float
    """How long an idle session keeps its place while others wait."""


class Standing(Message, frozen=True, kw_only=True):
    """The state of the fleet, which the leader sends several times a second."""

    engines: dict[str, EngineStanding]
    replicas: int
    laws: dict[str, dict[str, float]]
    """The state of each engine's control law."""
    manual: ManualSettings
    """The manual settings."""


AboutRequest = Arrive | Finish
"""Nearly all messages to a leader."""
ToLeader = Join | Arrive | Finish | EndSession | Reachable | Overloaded | Ask
ToReplica = Held | Decided | Rejoin | Standing | Told


class Batch(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """Messages of one sender. Its batches are numbered from 0 without gaps."""

    sender: str
    number: int
    messages: tuple[ToLeader | ToReplica, ...]


encode_batch = msgspec.msgpack.Encoder().encode
decode_batch = msgspec.msgpack.Decoder(Batch).decode
encode_record = msgspec.msgpack.Encoder().encode

_MSGPACK_ARRAY = b"\xdd"
"""Start of an array with up to 2^32 values: four bytes with their number follow, and then the values."""
_decode_records = msgspec.msgpack.Decoder(list[SessionRecord]).decode


def decode_records(number: int, encoded: bytes) -> list[SessionRecord]:
    """Decode this many records, which follow each other without separators."""
    return _decode_records(_MSGPACK_ARRAY + number.to_bytes(4, "big") + encoded)
