"""What happens to a request, for everything that reports it: metrics, log lines, spans and recordings.

The relay writes what it learns of a request into a `RequestRecord`. Most reports are made from the whole record when
the request has ended. A report that needs an earlier moment subscribes to that moment in `RequestEvents`. The relay
calls the subscribers and does not know who they are. An event without a subscriber costs nothing.

Times are seconds of the gateway's monotonic clock.
"""

from collections.abc import Callable, Collection
from contextvars import ContextVar
from hashlib import sha256

import msgspec

from concur_proxy.admission.outcome import Outcome
from concur_proxy.recognition.tenants import split_name
from concur_proxy.wire.answer.usage import Usage
from concur_proxy.wire.headers import Headers

HASH_DIGITS = 16

CLIENT_GONE = "client_gone"
"""Failure: the client left before its answer was complete."""
BROKE_MIDSTREAM = "engine_broke_midstream"
"""Failure: the engine closed its connection in the middle of the answer."""


class Attempt(msgspec.Struct, kw_only=True, eq=False):
    """One attempt to get an answer from an engine. A request has a second one if its first engine fails early."""

    arrived_at: float | None = None
    """When the request began to wait for admission; None for a request that needs no admission."""
    outcome: Outcome | None = None
    """How the wait ended; None while it lasts."""
    wait_s: float = 0.0
    session_key: str = ""
    member: str = ""
    """The conversation within the session; empty for the main agent's."""
    engine: str = ""
    """The engine that was chosen; empty if the wait ended before."""
    sent_at: float | None = None
    """When the request was sent to the engine; None if it was not."""
    url: str = ""
    """The engine's base URL."""
    kind: str | None = None
    """The engine's kind (`vllm`, `sglang`); None if it is not known."""
    listed: Collection[str] | None = None
    """The models that the engine lists; None if they are not known."""
    capacity_tokens: int | None = None
    """Size of the engine's KV cache; None if it is not known."""
    status: int | None = None
    """The status of the engine's answer; None if it did not answer."""
    first_token_at: float | None = None
    """When the first token of the answer came. An answer without tokens counts as one token at its end."""
    usage: Usage | None = None
    """What the engine counted; None if it did not say."""
    is_whole: bool = False
    """Whether the engine's answer was passed on to its end."""
    failure: str | None = None
    """Why there is no whole answer: the code of a fault, CLIENT_GONE, BROKE_MIDSTREAM or the name of an exception."""
    ended_at: float = 0.0


class RequestRecord(msgspec.Struct, kw_only=True, eq=False):
    """One request. What is not known is None. It is a msgspec.Struct because one is made for every request."""

    method: str
    path: str = ""
    headers: Headers = []
    """The headers for the engine, before hop-by-hop fields are removed."""
    began_at: float = 0.0
    request_id: str | None = None
    trace_id: str | None = None
    """The trace's id in 32 hexadecimal digits. Set by a subscriber to `began`."""
    route: str | None = None
    """The path's template. Never the client's text, so it may be a metric label."""
    is_received: bool = False
    """Whether the whole request was received."""
    session: str | None = None
    """The session's name for logs and traces. If the client sent none, it is the name of the conversation, once the
    request has been admitted or refused.
    """
    tenant: str | None = None
    """The tenant's name for logs; None if it has no name, or if there is only one tenant."""
    recognised_by: str = ""
    """What found the session: a recogniser's name, or `conversation`. Empty if the request is unrecognised: it names no
    session and continues no known conversation.
    """
    model: str | None = None
    """The model's name in the client's request."""
    is_stream: bool = False
    context: Headers = []
    """Trace headers for the engine. Set by a subscriber to `sent`."""
    attempts: list[Attempt] = []
    status: int | None = None
    """The status that the client got; None if its answer did not begin."""
    failures: list[str] = []
    """Each reason why the gateway answered with an error or broke the answer off."""
    ended_at: float = 0.0

    @property
    def failure(self) -> str | None:
        """Why the request failed: the last of `failures`, or None."""
        return self.failures[-1] if self.failures else None


Subscriber = Callable[[RequestRecord], None]


class RequestEvents:
    """The subscribers to each moment in the life of a request. They are called in order."""

    __slots__ = ("began", "ended", "recognised", "retried", "sent", "waited")

    def __init__(self) -> None:
        self.began: list[Subscriber] = []
        """The head of a request has arrived."""
        self.recognised: list[Subscriber] = []
        """A request needed admission, and it is known what found its session: `recognised_by`, which is empty if
        nothing did. Called once for each request, when its first wait has ended.
        """
        self.waited: list[Subscriber] = []
        """The last attempt has been admitted or refused. Its wait may have been 0 s long."""
        self.sent: list[Subscriber] = []
        """The last attempt's request is about to be sent to its engine."""
        self.retried: list[Subscriber] = []
        """The last attempt has failed, and another one follows."""
        self.ended: list[Subscriber] = []
        """The request has ended: the record is complete."""


CURRENT: ContextVar[RequestRecord | None] = ContextVar("current_request", default=None)
"""The request that the present task serves."""


def shown_session(name: str, *, hashed: bool) -> str:
    """Return a session's name for log lines and traces: its key without the tenant, or the key's hash."""
    key = split_name(name)[1]
    return hashed_session(key) if hashed else key


def shown_tenant(name: str, *, hashed: bool) -> str:
    """Return a tenant's name for log lines: as it is, or its hash."""
    return hashed_session(name) if hashed else name


def hashed_session(key: str) -> str:
    """Return a name for logs that must not show keys: the first 16 hexadecimal digits of its SHA-256."""
    return sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:HASH_DIGITS]
