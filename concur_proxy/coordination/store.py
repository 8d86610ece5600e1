"""The interface of a state store: events in, decided tickets out."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from concur_proxy.admission.arrival import Answered, Arrival
from concur_proxy.admission.fleet import Fleet
from concur_proxy.admission.gate import SessionGate
from concur_proxy.admission.room import EngineLoad
from concur_proxy.admission.steering import Steering
from concur_proxy.admission.ticket import Ticket
from concur_proxy.control.law import Budget
from concur_proxy.coordination.protocol.by_hand import ByHand
from concur_proxy.coordination.protocol.messages import Call, Reply
from concur_proxy.coordination.role import Role

OnRole = Callable[[bool, Mapping[str, Mapping[str, float]]], None]
"""Called with whether this process reads the engines and moves their windows from now on, and with what the engines'
control laws had learnt elsewhere.
"""

OnDecided = Callable[[list[Ticket]], None]
"""Called with every ticket whose wait has ended, each exactly once."""


OnCall = Callable[[Call], Reply]
"""Answers a call; it raises nothing."""


class LeaderSilent(Exception):  # noqa: N818 - says what happened
    """The process that decides has not answered; the text is for the person who asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreParts:
    """What a store is built from."""

    make_fleet: Callable[[int], Fleet]
    """Makes a fleet of the engines that there are, which knows nobody; seniority begins behind the number."""
    clock: Callable[[], float]
    """Monotonic seconds."""
    url: str = ""
    """Of the server that keeps what is shared, where there is one."""
    prefix: str = "concur"
    """Begins every name in that server."""
    replica: str = ""
    """This process' name, unlike any other's."""
    law_states: Callable[[], dict[str, dict[str, float]]] = dict
    """What each engine's control law has learnt."""


class SessionStore(Protocol):
    """Keeps the fleet's admission state and applies events to it, one after the other.

    None of the events waits: what happens after an answer must not delay a client. They are applied in the order of
    the calls.
    """

    async def start(self) -> None:
        """Begin to work; the clients come after that."""
        ...

    async def stop(self) -> None:
        """Work no more; nothing is held or in flight."""
        ...

    @property
    def role(self) -> Role:
        """How this process stands to others that share the store."""
        ...

    @property
    def leader(self) -> str:
        """The name of the process that decides; empty while it is this one, or nobody."""
        ...

    @property
    def replicas(self) -> int:
        """How many processes share it, as far as this one knows."""
        ...

    @property
    def leads(self) -> bool:
        """Whether this process reads the engines and moves their windows: one does of those that share a store."""
        ...

    def on_role(self, callback: OnRole) -> None:
        """Tell `callback` when `leads` changes."""
        ...

    def on_overload(self, callback: Callable[[str], None]) -> None:
        """Tell `callback` of the engines that `overloaded` names, in the process that leads."""
        ...

    def overloaded(self, engine: str) -> None:
        """The engine refused a request for want of room."""
        ...

    @property
    def by_hand(self) -> ByHand:
        """What people have set, as last heard."""
        ...

    def set_by_hand(self, by_hand: ByHand) -> None:
        """People have set this, here where it is decided: every process that shares the store hears of it, before it
        hears of anything that is decided thereby, and so does one that comes later. It is forgotten when all have
        ended.
        """
        ...

    def on_by_hand(self, callback: Callable[[ByHand], None]) -> None:
        """Tell `callback` what people have set, whether or not it is new, and before `on_role`."""
        ...

    async def call(self, call: Call) -> Reply:
        """What `on_call`'s callback answers in the process that decides, or here while there is none. `LeaderSilent`
        when there is no answer in time; it may yet be done.
        """
        ...

    def on_call(self, callback: OnCall) -> None:
        """Let `callback` answer the calls that come here, or by any process while this one decides."""
        ...

    def on_decided(self, callback: OnDecided) -> None:
        """Tell `callback` of every decision from now on."""
        ...

    def arrive(self, arrival: Arrival) -> Ticket:
        """A request arrives. The ticket may be decided already."""
        ...

    def finish(self, ticket: Ticket, answered: Answered) -> None:
        """An admitted request's answer has ended."""
        ...

    def abandon(self, ticket: Ticket) -> None:
        """The client of a held request has gone."""
        ...

    def end(self, key: str) -> bool:
        """The session is over; False when no such session is known."""
        ...

    def steer(self, key: str, steering: Steering) -> bool:
        """A person does something to a session, here where it is decided; False when no such session is known."""
        ...

    def enforce(self, engine: str, *, enforcing: bool) -> None:
        """Hold whom the engine's window holds, or only count them."""
        ...

    def resize(self, engine: str, window: float, budget: Budget | None = None) -> None:
        """Set the windows of an engine, in sessions and in tokens."""
        ...

    def observe(self, engine: str, load: EngineLoad | None) -> None:
        """An engine's newest reading, or None when there is none to be trusted."""
        ...

    def mark_down(self, engine: str) -> None:
        """The engine cannot be reached."""
        ...

    def mark_up(self, engine: str) -> None:
        """The engine answers again."""
        ...

    def serve(self, engine: str, models: Collection[str] | None) -> None:
        """The engine serves these models; None: not known, which counts as all."""
        ...

    def candidates(self, model: str | None) -> Sequence[str]:
        """The engines to which a request outside of any session may go, never none, the best first."""
        ...

    def lose_cache(self, engine: str) -> None:
        """The engine has started anew, with an empty cache."""
        ...

    def add_engine(self, engine: str) -> None:
        """There is one more engine; one that is being retired stays after all."""
        ...

    def retire_engine(self, engine: str) -> None:
        """Give an engine up: its sessions move, those with answers in flight when these have ended, and then it is
        forgotten: `gates` has it no more. `ValueError` for the last one, and for one that is not known.
        """
        ...

    def needs(self, engine: str) -> bool:
        """Whether a request may be at the engine or be sent there, be it given up or not."""
        ...

    def expire(self) -> None:
        """Apply what the passing of time has decided."""
        ...

    def drain(self) -> None:
        """Refuse what is held and what comes."""
        ...

    def next_deadline(self) -> float | None:
        """When `expire` has something to do, or None."""
        ...

    def expected_wait(self, ticket: Ticket) -> tuple[int, float]:
        """A held (or just refused) ticket's place in the line and the seconds that it will probably take."""
        ...

    @property
    def gates(self) -> Mapping[str, SessionGate]:
        """The gates by engine, to be read only."""
        ...

    @property
    def down(self) -> frozenset[str]:
        """Engines that could not be reached."""
        ...
