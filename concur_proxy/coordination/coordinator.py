"""The interface to what decides on admission: this process alone, or one gateway of several that act as one."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from concur_proxy.admission.arrival import Answered, Arrival
from concur_proxy.admission.changes import Change
from concur_proxy.admission.fleet import Fleet
from concur_proxy.admission.gate import SessionGate
from concur_proxy.admission.ticket import Ticket
from concur_proxy.coordination.protocol.manual import ManualSettings
from concur_proxy.coordination.protocol.messages import Call, Reply
from concur_proxy.coordination.responses import StoredResponses


class Role(Enum):
    """A gateway's role among the gateways or workers that act as one. The value is the metric label."""

    SINGLE = "single"
    """There are no other gateways."""
    LEADING = "leading"
    """This gateway decides for all."""
    FOLLOWING = "following"
    """The leader decides."""
    ALONE = "alone"
    """Redis cannot be reached: this gateway decides for its own requests, with its share of the windows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """Who decides, as far as this gateway knows."""

    role: Role
    leader: str = ""
    """The name of the gateway that decides. Empty if it is this one, or if nobody decides."""
    replicas: int = 1
    """Gateways that share the store."""
    leads: bool = True
    """Whether this gateway reads the engines and moves their windows. Only one of the gateways that share a store does
    so.
    """


class LeaderSilent(Exception):  # noqa: N818 - says what happened
    """The gateway that decides has not answered. The message is for the operator who made the call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """What a coordinator calls. None of these may raise."""

    on_role: Callable[[bool, Mapping[str, Mapping[str, float]]], None] = lambda *_: None
    """Called with the value of `Status.leads` after it may have changed, and with the state of each engine's control
    law as the last leader had it.
    """
    on_overload: Callable[[str], None] = lambda _: None
    """Called with the engine that refused a request because it is overloaded, only in the gateway that moves the
    windows.
    """
    on_manual: Callable[[ManualSettings], None] = lambda _: None
    """Called with the manual settings, whether they have changed or not. Called before `on_role`."""
    on_call: Callable[[Call], Reply] = lambda _: Reply(status=404, body=b"{}")
    """Answers a call of the admin API. Called only in the gateway that decides."""


class FleetView(Protocol):
    """What can be read of a fleet."""

    @property
    def gates(self) -> Mapping[str, SessionGate]:
        """The gates by engine. In a gateway that decides they hold all sessions, and in a follower no sessions."""
        ...

    @property
    def down(self) -> frozenset[str]:
        """Engines that cannot be reached."""
        ...

    @property
    def shared_keys(self) -> int:
        """How many session keys were found to name many conversations at once."""
        ...

    def knows(self, change: Change) -> bool:
        """Whether the session or engine that the change names is known."""
        ...

    def candidates(self, model: str | None) -> Sequence[str]:
        """The engines that may serve a request outside of any session, the best first. There is at least one."""
        ...


class Coordinator(Protocol):
    """Takes events and decides which requests are admitted. Events are applied in the order of the calls, and none of
    them blocks.
    """

    async def start(self) -> None:
        """Start. The server accepts clients only after this."""
        ...

    async def stop(self) -> None:
        """Stop. The server calls this when no request is waiting or in flight any more."""
        ...

    def listen(self, listener: Listener) -> None:
        """Report events to this listener from now on."""
        ...

    @property
    def status(self) -> Status:
        """Who decides."""
        ...

    @property
    def fleet(self) -> FleetView:
        """The engines and their gates, as far as this gateway knows them. For reading only."""
        ...

    @property
    def responses(self) -> StoredResponses:
        """The stored responses of the engines, as far as this gateway or the store knows them."""
        ...

    def needs(self, engine: str) -> bool:
        """Whether the engine is still in use: a request is at the engine, or may be sent there. True also for an engine
        that is being removed.
        """
        ...

    def arrive(self, arrival: Arrival) -> Ticket:
        """A request arrives. Its ticket may be decided already."""
        ...

    async def wait(self, ticket: Ticket, *, timeout_s: float | None = None) -> bool:
        """Sleep until the ticket is decided, or for `timeout_s`. Returns whether it is decided.

        If the caller is cancelled, the ticket keeps waiting until the caller calls `finish`.
        """
        ...

    def finish(self, ticket: Ticket, answered: Answered) -> None:
        """The request has ended, whether it was waiting or in flight."""
        ...

    def expected_wait(self, ticket: Ticket) -> tuple[int, float]:
        """The place in the queue of a ticket that waits or was just refused, and the seconds that it will probably
        take.
        """
        ...

    def apply(self, change: Change) -> bool:
        """Carry out a change, here or in the gateway that decides. Returns whether the session or engine that it names
        is known. Raises `ValueError` as described in the class of the change.
        """
        ...

    @property
    def manual(self) -> ManualSettings:
        """The manual settings, as far as this gateway has received them."""
        ...

    def set_manual(self, manual: ManualSettings) -> None:
        """Replace the manual settings. Call this only in the gateway that decides.

        Every gateway that shares the store receives the settings before any decision that depends on them. They are
        forgotten when all gateways have stopped.
        """
        ...

    async def call(self, call: Call) -> Reply:
        """Let the gateway that decides answer a call. Raises `LeaderSilent` if no answer comes in time; the call may
        still be carried out.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CoordinatorParts:
    """What a coordinator is made of."""

    make_fleet: Callable[[int], Fleet]
    """Makes a fleet of the present engines, without sessions. New seniority numbers are larger than the argument."""
    clock: Callable[[], float]
    """Monotonic seconds."""
    url: str = ""
    """The Redis server."""
    prefix: str = "concur"
    """Start of every key in Redis."""
    replica: str = ""
    """This gateway's unique name."""
    law_states: Callable[[], dict[str, dict[str, float]]] = dict
    """The state of each engine's control law, to hand over to the next leader."""
