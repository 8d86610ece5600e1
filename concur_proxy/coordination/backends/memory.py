"""Sessions in this process' memory: the default, for a single gateway."""

from collections.abc import Callable, Collection, Mapping, Sequence

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
from concur_proxy.coordination.store import OnCall, OnDecided, OnRole, StoreParts


class MemoryStore:
    """Applies each event to the fleet at once."""

    def __init__(self, fleet: Fleet, clock: Callable[[], float]) -> None:
        self._fleet = fleet
        self._clock = clock
        self._tell: OnDecided = lambda _: None
        self.overloaded: Callable[[str], None] = lambda _: None
        self.by_hand = ByHand()
        self._apply_by_hand: Callable[[ByHand], None] = lambda _: None
        self._answer: OnCall = lambda _: Reply(status=404, body=b"{}")

    @property
    def gates(self) -> Mapping[str, SessionGate]:
        """The gates by engine, to be read only."""
        return self._fleet.gates

    @property
    def down(self) -> frozenset[str]:
        """Engines that could not be reached."""
        return self._fleet.down

    role = Role.SINGLE
    leader = ""
    replicas = 1
    leads = True

    async def start(self) -> None:
        """Nothing to begin."""

    async def stop(self) -> None:
        """Nothing to end."""

    def on_role(self, callback: OnRole) -> None:
        """It never changes."""

    def on_overload(self, callback: Callable[[str], None]) -> None:
        """Tell `callback` of the engines that `overloaded` names."""
        self.overloaded = callback

    def set_by_hand(self, by_hand: ByHand) -> None:
        """People have set this."""
        self.by_hand = by_hand
        self._apply_by_hand(by_hand)

    def on_by_hand(self, callback: Callable[[ByHand], None]) -> None:
        """Tell `callback` what people have set."""
        self._apply_by_hand = callback

    async def call(self, call: Call) -> Reply:
        """What `on_call`'s callback answers."""
        return self._answer(call)

    def on_call(self, callback: OnCall) -> None:
        """Let `callback` answer calls."""
        self._answer = callback

    def on_decided(self, callback: OnDecided) -> None:
        """Tell `callback` of every decision from now on."""
        self._tell = callback

    def arrive(self, arrival: Arrival) -> Ticket:
        """A request arrives."""
        ticket, decided = self._fleet.arrive(arrival, now=self._clock())
        self._tell(decided)
        return ticket

    def finish(self, ticket: Ticket, answered: Answered) -> None:
        """An admitted request's answer has ended."""
        self._tell(self._fleet.finish(ticket, answered, now=self._clock()))

    def abandon(self, ticket: Ticket) -> None:
        """The client of a held request has gone."""
        self._tell(self._fleet.abandon(ticket, now=self._clock()))

    def end(self, key: str) -> bool:
        """The session is over; False when no such session is known."""
        is_known = self._fleet.knows(key)
        self._tell(self._fleet.end(key, now=self._clock()))
        return is_known

    def steer(self, key: str, steering: Steering) -> bool:
        """A person does something to a session."""
        is_known = self._fleet.knows(key)
        self._tell(self._fleet.steer(key, steering, now=self._clock()))
        return is_known

    def enforce(self, engine: str, *, enforcing: bool) -> None:
        """Hold whom the engine's window holds, or only count them."""
        self._tell(self._fleet.enforce(engine, enforcing=enforcing, now=self._clock()))

    def resize(self, engine: str, window: float, budget: Budget | None = None) -> None:
        """Set the windows of an engine, in sessions and in tokens."""
        self._tell(self._fleet.resize(engine, window, budget=budget, now=self._clock()))

    def observe(self, engine: str, load: EngineLoad | None) -> None:
        """An engine's newest reading, or None when there is none to be trusted."""
        self._tell(self._fleet.observe(engine, load, now=self._clock()))

    def mark_down(self, engine: str) -> None:
        """The engine cannot be reached."""
        self._fleet.mark_down(engine)

    def mark_up(self, engine: str) -> None:
        """The engine answers again."""
        self._fleet.mark_up(engine)

    def serve(self, engine: str, models: Collection[str] | None) -> None:
        """The engine serves these models; None: not known."""
        self._fleet.serve(engine, models)

    def candidates(self, model: str | None) -> Sequence[str]:
        """The engines to which a request outside of any session may go."""
        return self._fleet.candidates(model)

    def lose_cache(self, engine: str) -> None:
        """The engine has started anew, with an empty cache."""
        self._fleet.lose_cache(engine)

    def add_engine(self, engine: str) -> None:
        """There is one more engine."""
        self._fleet.add_engine(engine)
        self._tell([])  # its sessions may have a deadline now

    def retire_engine(self, engine: str) -> None:
        """Give an engine up."""
        self._tell(self._fleet.retire_engine(engine, now=self._clock()))

    def needs(self, engine: str) -> bool:
        """Whether a request may be at the engine or be sent there."""
        return engine in self._fleet.gates

    def expire(self) -> None:
        """Apply what the passing of time has decided."""
        self._tell(self._fleet.expire(now=self._clock()))

    def drain(self) -> None:
        """Refuse what is held and what comes."""
        self._tell(self._fleet.drain(now=self._clock()))

    def next_deadline(self) -> float | None:
        """When `expire` has something to do, or None."""
        return self._fleet.next_deadline()

    def expected_wait(self, ticket: Ticket) -> tuple[int, float]:
        """A ticket's place in the line and the seconds that it will probably take."""
        return self._fleet.expected_wait(ticket, now=self._clock())


def build(parts: StoreParts) -> MemoryStore:
    """The store over a fleet of its own."""
    return MemoryStore(parts.make_fleet(0), parts.clock)
