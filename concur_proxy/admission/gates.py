"""The gates of a fleet by engine, and where each session is."""

from collections.abc import Callable, Mapping, Sequence

from concur_proxy.admission.gate import SessionGate
from concur_proxy.admission.numbering import Numbers
from concur_proxy.admission.roster import Roster
from concur_proxy.admission.session import Session, SessionState
from concur_proxy.admission.standings import Standings
from concur_proxy.admission.ticket import Ticket
from concur_proxy.recognition.tree import ConversationTree

MOST_CONVERSATIONS = 100_000
"""Remembered conversations, if nothing else is said."""
CONVERSATION_BYTES = 4_096
"""Memory that each remembered conversation may take on average."""

GateFactory = Callable[[str, Numbers], SessionGate]
"""Makes the gate of an engine, by the engine's name and the fleet's numbers for seniority."""


class Gates:
    """One gate per engine. Keeps the roster of engines and the standings of gates in step with them."""

    def __init__(
        self,
        engines: Sequence[str],
        make_gate: GateFactory,
        numbers: Numbers,
        *,
        move_after_s: float,
        most_conversations: int = MOST_CONVERSATIONS,
    ) -> None:
        if not engines:
            raise ValueError("a fleet needs at least one engine")
        self._most_conversations = most_conversations
        self._make_gate = make_gate
        self._numbers = numbers
        self._by_engine: dict[str, SessionGate] = {}
        self.by_engine: Mapping[str, SessionGate] = self._by_engine
        """All gates, to read."""
        self.tree = ConversationTree()
        """What the prompts of all conversations have in common, at all engines."""
        self._homes: dict[str, str] = {}
        """The engine of each session, by the session's name."""
        self._changes: set[str] | None = None
        self._is_draining = False
        self.roster = Roster(engines)
        self.standings = Standings(self._by_engine, self.roster, move_after_s=move_after_s)
        self.only: SessionGate | None = None
        """The gate, if there is only one: then there is nothing to place, to move or to share."""
        for engine in engines:
            self.add(engine)

    def add(self, engine: str) -> None:
        """Add an engine with a gate of its own. An engine that is being removed is kept."""
        if engine not in self._by_engine:
            gate = self._by_engine[engine] = self._make_gate(engine, self._numbers)
            gate.sessions.list_in(self._homes, engine)
            gate.join(self.tree)
            if self._changes is not None:
                gate.sessions.note_changes(self._changes)
            if self._is_draining:
                gate.drain(now=0.0)  # no request waits there yet
            self.standings.add(engine)
            self._count()
        self.roster.add(engine)

    def remove_retired(self) -> None:
        """Forget the retiring engines that have no sessions left."""
        for engine in list(self.roster.retiring):
            if not len(self._by_engine[engine].sessions):
                del self._by_engine[engine]
                self.roster.remove(engine)
                self.standings.remove(engine)
                self._count()

    def note_changes(self, changes: set[str]) -> None:
        """Put the names of sessions that change into `changes`, from now on."""
        self._changes = changes
        for gate in self._by_engine.values():
            gate.sessions.note_changes(changes)

    def drain(self, now: float) -> list[Ticket]:
        """Refuse every request that waits or arrives from now on."""
        self._is_draining = True
        decided = [ticket for gate in self._by_engine.values() for ticket in gate.drain(now=now)]
        self.touch_all()
        return decided

    def forget_excess(self, now: float) -> None:
        """Forget sessions until no more than the allowed number of conversations is left, and these take no more than
        `CONVERSATION_BYTES` each on average. Sessions without a place come first, see `SessionGate.to_forget`.

        More are kept if all others have requests or a place whose lease has not ended.
        """
        tree, most = self.tree, self._most_conversations
        while tree.conversations > most or tree.held_bytes > most * CONVERSATION_BYTES:
            found = [
                (session.state is SessionState.ACTIVE, session.idle_since, number, gate, session)
                for number, gate in enumerate(self._by_engine.values())
                if (session := gate.to_forget(now=now)) is not None
            ]
            if not found:
                return
            *_, gate, session = min(found)
            gate.forget(session, now=now)
            self.standings.touch(gate.engine)

    def touch_all(self) -> None:
        """Note that something has changed that concerns every gate."""
        for engine in self._by_engine:
            self.standings.touch(engine)

    def knows(self, name: str) -> bool:
        """Whether there is a session of this name."""
        return name in self._homes

    def home(self, name: str) -> SessionGate | None:
        """The gate that knows the session, or None."""
        engine = self._homes.get(name)
        return None if engine is None else self._by_engine[engine]

    def find(self, name: str) -> tuple[SessionGate, Session] | None:
        """The gate that knows the session, and the session, or None."""
        gate = self.home(name)
        session = None if gate is None else gate.sessions.get(name)
        return None if gate is None or session is None else (gate, session)

    def gate_of(self, ticket: Ticket) -> SessionGate | None:
        """The gate that has decided the ticket or where it waits. None if that gate does not exist any more."""
        return self._by_engine.get(ticket.engine) if ticket.engine else self.home(ticket.session.key)

    def _count(self) -> None:
        gates = list(self._by_engine.values())
        self.only = gates[0] if len(gates) == 1 else None


def variant(key: str, model: str | None) -> str:
    """The name of the separate session that session `key` has for another model."""
    return f"{key}\0{model or ''}"
