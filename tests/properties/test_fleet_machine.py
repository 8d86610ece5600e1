import math

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from concur_proxy.admission.arrival import Answered, Arrival
from concur_proxy.admission.changes import AddEngine, EndSession, Observe, Reachable, Resize, RetireEngine, Serve, Steer
from concur_proxy.admission.fleet import Fleet
from concur_proxy.admission.gate import SessionGate
from concur_proxy.admission.gate_state import GateOptions
from concur_proxy.admission.lease import FixedLease
from concur_proxy.admission.limits import EngineLoad
from concur_proxy.admission.manual import Steering
from concur_proxy.admission.numbering import Numbers
from concur_proxy.admission.outcome import Outcome
from concur_proxy.admission.session import Session, SessionState
from concur_proxy.admission.ticket import Ticket
from tests.properties.ledger import Ledger, places

LONG, SHORT, TTL, LEASE = 10_000.0, 3.0, 50.0, 4.0
NAMES = ["one", "two", "three"]
KEYS_OF_SESSIONS = "abcdefg"
KEYS = st.none() | st.sampled_from(KEYS_OF_SESSIONS)
ENGINE = st.integers(0, 5)
WINDOWS = st.sampled_from([1.0, 2.0, 2.5, 4.0])
LOADS = st.none() | st.builds(
    EngineLoad,
    running=st.integers(0, 2),
    waiting=st.sampled_from([0, 0, 1]),
    kv_usage=st.sampled_from([0.0, 0.9]),
    capacity_tokens=st.none() | st.sampled_from([100, 5_000]),
)
WHICH = st.integers(0, 1_000)
MODELS = st.sampled_from([None, "m", "n"])
LISTS = st.sampled_from([None, None, ["m"], ["n"], ["m", "n"]])


class FleetMachine(RuleBasedStateMachine):
    """Any sequence of events at several engines, some of which are down for some of the time."""

    @initialize(
        engines=st.integers(2, 3),
        window=WINDOWS,
        work_conserving=st.booleans(),
        move_after_s=st.sampled_from([0.0, 2.0, math.inf, math.inf]),
    )
    def open(self, engines: int, window: float, move_after_s: float, *, work_conserving: bool) -> None:
        options = GateOptions(max_waiting_sessions=100, session_ttl_s=TTL, work_conserving=work_conserving)

        def make_gate(engine: str, numbers: Numbers) -> SessionGate:
            return SessionGate(options=options, lease=FixedLease(LEASE), window=window, engine=engine, numbers=numbers)

        self.now = 0.0
        self.ledger = Ledger()
        self.fleet = Fleet(engines=NAMES[:engines], make_gate=make_gate, move_after_s=move_after_s)
        self.move_after_s = move_after_s

    @property
    def gates(self) -> list[SessionGate]:
        """The gates that exist now."""
        return list(self.fleet.gates.values())

    # -- events

    @rule(key=KEYS, hold=st.sampled_from([SHORT, LONG]), size=st.sampled_from([0, 40, 4_000]), model=MODELS)
    def arrive(self, key: str | None, hold: float, size: int, model: str | None) -> None:
        home = next((gate for gate in self.gates if key is not None and gate.sessions.get(key) is not None), None)
        session = None if home is None or key is None else home.sessions.get(key)
        stays = home is not None and not self.fleet._roster.has_lost(home.engine, model)
        passes = session is not None and session.state is SessionState.ACTIVE and not session.pausing
        passes = passes and session is not None and session.model == model
        is_stopped = session is not None and session.stopped and session.model == model
        arrival = Arrival(key=key, body_bytes=size, hold_s=hold, model=model)
        ticket, decided = self.fleet.arrive(arrival, now=self.now)
        self.ledger.arrived(ticket, decided)
        assert not (is_stopped and ticket.outcome is Outcome.ADMITTED)
        if stays and passes and home is not None:
            assert (ticket.outcome, ticket.engine) == (Outcome.ADMITTED, home.engine)

    @precondition(lambda self: self.ledger.in_flight)
    @rule(which=WHICH, tokens=st.none() | st.integers(0, 3_000), gone=st.booleans(), refused=st.booleans())
    def finish(self, which: int, tokens: int | None, *, gone: bool, refused: bool) -> None:
        ticket = _pick(self.ledger.in_flight, which)
        answered = Answered(prompt_tokens=tokens, client_gone=gone, refused=refused)
        decided = self.fleet.finish(ticket, answered, now=self.now)
        self.ledger.finished(ticket, decided)

    @precondition(lambda self: self.ledger.held | self.ledger.in_flight)
    @rule(which=WHICH)
    def abandon(self, which: int) -> None:
        ticket = _pick(self.ledger.held | self.ledger.in_flight, which)
        note = self.ledger.abandoned if ticket.is_held else self.ledger.finished
        note(ticket, self.fleet.finish(ticket, Answered(client_gone=True), now=self.now))

    @precondition(lambda self: self.ledger.closed)
    @rule(which=WHICH)
    def finish_what_is_over(self, which: int) -> None:
        assert self.fleet.finish(_pick(self.ledger.closed, which), Answered(), now=self.now) == []

    @rule(key=st.sampled_from(KEYS_OF_SESSIONS))
    def end(self, key: str) -> None:
        self.ledger.decided(self.fleet.apply(EndSession(key=key), now=self.now))

    @rule(key=st.sampled_from(KEYS_OF_SESSIONS), steering=st.sampled_from(Steering))
    def steer(self, key: str, steering: Steering) -> None:
        self._steer(key, steering)
        found = [session for gate in self.gates if (session := gate.sessions.get(key)) is not None]
        assert all(session.stopped for session in found) or steering is not Steering.PAUSE
        assert not any(session.stopped for session in found) or steering is not Steering.RESUME

    def _steer(self, key: str, steering: Steering) -> None:
        self.ledger.decided(self.fleet.apply(Steer(key=key, steering=steering), now=self.now))

    @rule(engine=ENGINE, window=WINDOWS)
    def resize(self, engine: int, window: float) -> None:
        self.ledger.decided(self.fleet.apply(Resize(engine=self._name(engine), window=window), now=self.now))

    @rule(engine=ENGINE, load=LOADS)
    def observe(self, engine: int, load: EngineLoad | None) -> None:
        self.ledger.decided(self.fleet.apply(Observe(engine=self._name(engine), load=load), now=self.now))

    @rule(engine=ENGINE, seconds=st.sampled_from([0.0, 1.0]))
    def mark_down(self, engine: int, seconds: float) -> None:
        self.fleet.apply(Reachable(engine=self._name(engine), is_up=False), now=self.now)
        self._let_time_pass(seconds)

    @rule(engine=ENGINE, seconds=st.sampled_from([0.0, 1.0]))
    def mark_up(self, engine: int, seconds: float) -> None:
        self.fleet.apply(Reachable(engine=self._name(engine), is_up=True), now=self.now)
        self._let_time_pass(seconds)

    @rule(engine=ENGINE, models=LISTS, seconds=st.sampled_from([0.0, 1.0]))
    def serve(self, engine: int, models: list[str] | None, seconds: float) -> None:
        self.fleet.apply(Serve(engine=self._name(engine), models=models), now=self.now)
        self._let_time_pass(seconds)

    @rule(engine=st.sampled_from([*NAMES, "four"]), seconds=st.sampled_from([0.0, 1.0]))
    def add_engine(self, engine: str, seconds: float) -> None:
        self.fleet.apply(AddEngine(engine=engine), now=self.now)
        self._let_time_pass(seconds)

    @precondition(lambda self: len(self.gates) > 1 + len(self.fleet._roster.retiring))
    @rule(engine=ENGINE)
    def retire_engine(self, engine: int) -> None:
        name = self._name(engine)
        if name not in self.fleet._roster.retiring:
            self.ledger.decided(self.fleet.apply(RetireEngine(engine=name), now=self.now))

    @rule(seconds=st.sampled_from([1.0, LEASE, TTL]))
    def let_time_pass(self, seconds: float) -> None:
        self._let_time_pass(seconds)

    @precondition(lambda self: self.fleet.next_deadline() is not None)
    @rule()
    def let_time_pass_to_the_deadline(self) -> None:
        before = [gate.counters.copy() for gate in self.gates]
        deadline = self.fleet.next_deadline()
        assert deadline is not None
        self._let_time_pass(max(0.0, deadline - self.now))
        if self.move_after_s == math.inf:  # else only the fleet finds out that no engine has room
            assert [gate.counters for gate in self.gates] != before, "the timer fired for nothing"

    def _let_time_pass(self, seconds: float) -> None:
        self.now += seconds
        self.ledger.decided(self.fleet.expire(now=self.now))
        deadline = self.fleet.next_deadline()
        assert deadline is None or deadline > self.now, "a timer armed in the past spins"

    def _name(self, index: int) -> str:
        names = list(self.fleet.gates)
        return names[index % len(names)]

    # -- invariants

    @invariant()
    def ledger_and_gates_agree(self) -> None:
        self.ledger.check(self.gates)

    @invariant()
    def what_is_looked_up_is_what_a_look_at_all_gates_would_find(self) -> None:
        times = [gate.next_deadline() for gate in self.gates]
        times += [gate.next_lapse() for gate in self._takers() if self._heads_for(gate)]
        if self.move_after_s == math.inf:
            assert self.fleet.next_deadline() == min((time for time in times if time is not None), default=None)
        for key in KEYS_OF_SESSIONS:
            assert self.fleet.knows(EndSession(key=key)) == any(
                gate.sessions.get(key) is not None for gate in self.gates
            )

    def _takers(self) -> list[SessionGate]:
        roster = self.fleet._roster
        return [gate for gate in self.gates if not roster.leads_nowhere(gate.engine) and not gate.waiting]

    def _heads_for(self, taker: SessionGate) -> list[Session]:
        """The first new session of each queue that the engine of this gate serves."""
        heads = [head for gate in self.gates if (head := gate.queue.first_new()) is not None]
        return [head for head in heads if self.fleet._roster.serves(taker.engine, head.model)]

    @invariant()
    def nobody_waits_for_an_engine_that_cannot_serve_beside_one_that_can(self) -> None:
        for gate in self.gates:
            retires = gate.engine in self.fleet._roster.retiring
            for session in gate.sessions if retires else list(gate.queue):
                assert session.in_flight or not self.fleet._roster.has_lost(gate.engine, session.model)
            assert not retires or len(gate.sessions), "it has nothing left, and is still there"

    @invariant()
    def nobody_waits_beside_a_free_place(self) -> None:
        for gate in self.gates:
            if gate.waiting > gate.queue.blocked:
                assert gate.active >= places(gate.snapshot().window)
            assert gate.active or not gate.waiting, "a tenant whose requests are refused has one place"

    @invariant()
    def nobody_new_waits_while_another_engine_has_a_place_to_give(self) -> None:
        for gate in self._takers():
            if heads := self._heads_for(gate):
                eldest = min(heads, key=lambda session: session.seniority)
                assert gate.active >= places(gate.snapshot().window)
                assert not gate.has_room_for(eldest.footprint)

    @invariant()
    def nobody_waits_to_resume_for_longer_than_another_engine_has_no_place_to_give(self) -> None:
        movers = [
            head
            for gate in self.gates
            if (head := gate.queue.head()) is not None
            and head.state is SessionState.PAUSED
            and next(iter(head.held)).arrived_at + self.move_after_s <= self.now
        ]
        for gate in self._takers():
            served = [session for session in movers if self.fleet._roster.serves(gate.engine, session.model)]
            if served:
                assert not gate.has_room_for(min(served, key=lambda session: session.seniority).footprint)

    def teardown(self) -> None:
        """When everything ends, every request has been served, and nothing is left."""
        if not hasattr(self, "fleet"):
            return
        for gate in self.gates:
            for session in list(gate.sessions):
                self._steer(session.key, Steering.RESUME)
        patient = {ticket for ticket in self.ledger.held if ticket.deadline > self.now + LONG / 2}
        for _ in range(2 * len(self.ledger.held) + 2):
            while self.ledger.in_flight:
                ticket = _pick(self.ledger.in_flight, 0)
                self.ledger.finished(ticket, self.fleet.finish(ticket, Answered(), now=self.now))
            deadline = self.fleet.next_deadline()
            if self.ledger.held and deadline is not None:
                self._let_time_pass(max(0.0, deadline - self.now))
        assert not self.ledger.held
        assert all(ticket.outcome is Outcome.ADMITTED for ticket in patient), "a session starved"
        self._let_time_pass(TTL)
        assert not any(len(gate.sessions) for gate in self.gates)
        assert self.fleet.next_deadline() is None


def _pick(tickets: set[Ticket], which: int) -> Ticket:
    return sorted(tickets, key=lambda ticket: ticket.number)[which % len(tickets)]


TestFleet = FleetMachine.TestCase
TestFleet.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
