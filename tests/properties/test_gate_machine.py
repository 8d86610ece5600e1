from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from concur_proxy.admission.arrival import Answered, Arrival
from concur_proxy.admission.gate import SessionGate
from concur_proxy.admission.gate_state import GateOptions
from concur_proxy.admission.lease import FixedLease
from concur_proxy.admission.limits import EngineLoad
from concur_proxy.admission.manual import Steering
from concur_proxy.admission.outcome import Outcome
from concur_proxy.admission.session import SessionState
from concur_proxy.admission.ticket import Ticket
from concur_proxy.recognition.whereabouts import Whereabouts
from tests.properties.ledger import Ledger, places, precedence, waiting

LONG, SHORT, TTL, LEASE = 10_000.0, 3.0, 50.0, 4.0
KEYS = st.sampled_from(["a", "b", "c", "d", "e", "f"])
WINDOWS = st.sampled_from([1.0, 1.5, 2.0, 3.9, 4.0, 8.0, float("inf")])
LOADS = st.none() | st.builds(
    EngineLoad,
    running=st.none() | st.integers(0, 3),
    waiting=st.none() | st.sampled_from([0, 0, 0, 2]),
    kv_usage=st.none() | st.sampled_from([0.0, 0.3, 0.9, 1.0]),
    capacity_tokens=st.none() | st.sampled_from([100, 1_000, 10_000]),
)
TOKENS = st.none() | st.integers(0, 3_000)
TICKET = st.integers(0, 1_000)
"""One of these tickets, in order of arrival."""


class GateMachine(RuleBasedStateMachine):
    """Any sequence of events at one gate. What the gate may and must do is computed here from its sessions."""

    enforcing = True

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.ledger = Ledger()
        self.load: EngineLoad | None = None
        self.released = 0.0
        self.draining = False
        self.one_shots = 0

    @initialize(window=WINDOWS, max_waiting=st.sampled_from([1, 3, 100]), work_conserving=st.booleans())
    def open(self, window: float, max_waiting: int, *, work_conserving: bool) -> None:
        self.window = window
        self.max_waiting = max_waiting
        self.work_conserving = work_conserving
        options = GateOptions(
            max_waiting_sessions=max_waiting,
            session_ttl_s=TTL,
            work_conserving=work_conserving,
            enforcing=self.enforcing,
        )
        self.gate = SessionGate(options=options, lease=FixedLease(LEASE), window=window, engine="e")

    # -- events

    @rule(key=KEYS, hold=st.sampled_from([SHORT, LONG]), size=st.sampled_from([0, 40, 4_000]))
    def arrive(self, key: str, hold: float, size: int) -> None:
        self._arrive(key, hold, size, one_shot=False)

    @rule(hold=st.sampled_from([SHORT, LONG]), size=st.sampled_from([0, 40, 4_000]))
    def arrive_without_key(self, hold: float, size: int) -> None:
        self.one_shots += 1
        self._arrive(f"one-shot {self.one_shots}", hold, size, one_shot=True)

    def _arrive(self, key: str, hold: float, size: int, *, one_shot: bool) -> None:
        session = self.gate.sessions.get(key)
        is_stopped = session is not None and session.stopped
        passes = session is not None and session.state is SessionState.ACTIVE and not session.pausing
        is_new = session is None or (session.state is SessionState.QUEUED and not session.held)
        line = len(waiting(self.gate))
        with self._step():
            arrival = Arrival(key=None if one_shot else key, body_bytes=size, hold_s=hold)
            ticket, decided = self.gate.arrive(
                Whereabouts(session=key, is_one_shot=arrival.key is None), arrival, now=self.now
            )
            self.ledger.arrived(ticket, decided)
        assert not passes or self.draining or ticket.outcome is Outcome.ADMITTED
        assert self.enforcing or self.draining or ticket.outcome is Outcome.ADMITTED
        assert (ticket.outcome is Outcome.DRAINING) == self.draining
        assert not (is_stopped and ticket.outcome is Outcome.ADMITTED)
        if ticket.outcome is Outcome.QUEUE_FULL:
            assert is_new
            assert line >= self.max_waiting
        if is_new and not self.draining and line >= self.max_waiting and ticket.is_held:
            assert len(waiting(self.gate)) <= self.max_waiting

    @precondition(lambda self: self.ledger.in_flight)
    @rule(which=TICKET, prompt=TOKENS, completion=TOKENS, gone=st.booleans())
    def finish(self, which: int, prompt: int | None, completion: int | None, *, gone: bool) -> None:
        ticket = _pick(self.ledger.in_flight, which)
        with self._step():
            answered = Answered(prompt_tokens=prompt, completion_tokens=completion, client_gone=gone)
            decided = self.gate.finish(ticket, answered, now=self.now)
            self.ledger.finished(ticket, decided)

    @precondition(lambda self: self.ledger.in_flight)
    @rule(which=TICKET)
    def abandon_in_flight(self, which: int) -> None:
        ticket = _pick(self.ledger.in_flight, which)
        with self._step():
            self.ledger.finished(ticket, self.gate.finish(ticket, Answered(client_gone=True), now=self.now))

    @precondition(lambda self: self.ledger.held)
    @rule(which=TICKET)
    def abandon_held(self, which: int) -> None:
        ticket = _pick(self.ledger.held, which)
        with self._step():
            self.ledger.abandoned(ticket, self.gate.finish(ticket, Answered(client_gone=True), now=self.now))

    @precondition(lambda self: self.ledger.closed)
    @rule(which=TICKET)
    def finish_and_abandon_what_is_over(self, which: int) -> None:
        ticket = _pick(self.ledger.closed, which)
        assert self.gate.finish(ticket, Answered(), now=self.now) == []
        assert self.gate.finish(ticket, Answered(client_gone=True), now=self.now) == []

    @rule(key=KEYS)
    def end(self, key: str) -> None:
        with self._step():
            self.ledger.decided(self.gate.end(key, now=self.now))

    @precondition(lambda self: self.enforcing and self.gate.sessions)
    @rule(key=KEYS)
    def stop(self, key: str) -> None:
        session = self.gate.sessions.get(key)
        if session is not None:
            with self._step():
                self.ledger.decided(self.gate.steer(session, Steering.PAUSE, now=self.now))

    @precondition(lambda self: any(session.stopped for session in self.gate.sessions))
    @rule()
    def let_all_go_on(self) -> None:
        for session in [session for session in self.gate.sessions if session.stopped]:
            with self._step():
                self.ledger.decided(self.gate.steer(session, Steering.RESUME, now=self.now))

    @precondition(lambda self: self.gate.sessions)
    @rule(key=KEYS)
    def prefer(self, key: str) -> None:
        session = self.gate.sessions.get(key)
        if session is not None:
            with self._step():
                self.ledger.decided(self.gate.steer(session, Steering.PRIORITISE, now=self.now))

    @rule(window=WINDOWS)
    def resize(self, window: float) -> None:
        self.window = window
        with self._step():
            self.ledger.decided(self.gate.resize(window, now=self.now))
        steady = [s for s in self.gate.sessions if s.state is SessionState.ACTIVE and not s.pausing]
        growth = self.gate.accounts.estimator.growth_tokens(0.0)
        capacity = None if self.load is None or not self.work_conserving else self.load.capacity_tokens
        fits = capacity is not None and sum(s.footprint + growth for s in steady) <= capacity + 1
        assert not self.enforcing or fits or len(steady) <= places(window)

    @rule(load=LOADS)
    def observe(self, load: EngineLoad | None) -> None:
        is_late = load is not None and load.is_late(self.gate.snapshot().lasting)
        self.load = replace(load, waiting=None) if load is not None and is_late else load
        self.released = 0.0
        with self._step():
            self.ledger.decided(self.gate.observe(load, now=self.now))

    @rule(seconds=st.sampled_from([0.0, 1.0, LEASE, TTL]))
    def let_time_pass(self, seconds: float) -> None:
        self.now += seconds
        self._expire()

    @precondition(lambda self: self.gate.next_deadline() is not None)
    @rule()
    def let_time_pass_to_the_deadline(self) -> None:
        deadline = self.gate.next_deadline()
        assert deadline is not None
        self.now = max(self.now, deadline)
        before = self.gate.counters.copy()
        self._expire()
        assert self.gate.counters != before, "the timer fired for nothing"

    @precondition(lambda self: not self.draining and self.gate.sessions)
    @rule(odds=st.integers(0, 9))
    def drain(self, odds: int) -> None:
        if odds:
            return
        self.draining = True
        self.ledger.decided(self.gate.drain(now=self.now))
        assert not self.ledger.held

    def _expire(self) -> None:
        with self._step():
            self.ledger.decided(self.gate.expire(now=self.now))
        assert all(ticket.deadline > self.now for ticket in self.ledger.held)
        deadline = self.gate.next_deadline()
        assert deadline is None or deadline > self.now, "a timer armed in the past spins"

    # -- invariants

    @contextmanager
    def _step(self) -> Iterator[None]:
        """The sessions that an event admits: within the window or by room, and in order."""
        states = {session: session.state for session in self.gate.sessions}
        before_line = {session: precedence(session) for session in waiting(self.gate)}
        rooms, in_flight = self._rooms(), set(self.ledger.in_flight)
        yield
        active = [session for session in self.gate.sessions if session.state is SessionState.ACTIVE]
        admitted = [session for session in active if states.get(session) is not SessionState.ACTIVE]
        # at least what the gate counts as released since the reading, so that `no_idle_room` is never too strict
        self.released += sum(s.footprint for s in {t.session for t in self.ledger.in_flight - in_flight})
        if not self.enforcing:
            return
        over = len(active) - places(self.window)
        assert min(len(admitted), over) <= self._rooms() - rooms, "admitted beyond the window without room"
        if self._rooms() > rooms:
            self._check_room(sum(session.footprint for session in active))
        for session in admitted:
            if session in before_line:
                assert all(before_line[session] < precedence(other) for other in waiting(self.gate))

    def _rooms(self) -> int:
        return self.gate.counters["admit", "room"] + self.gate.counters["resume", "room"]

    def _check_room(self, footprints: float) -> None:
        assert self.work_conserving
        assert self.load is not None
        assert self.load.waiting == 0
        if self.load.capacity_tokens is None or self.load.kv_usage is None:
            assert self.load.running == 0
        else:
            assert footprints <= self.load.capacity_tokens + 1, "more was admitted than the cache holds"

    @invariant()
    def ledger_and_gate_agree(self) -> None:
        self.ledger.check([self.gate])

    @invariant()
    def nobody_waits_beside_a_free_place(self) -> None:
        line = waiting(self.gate)
        assert self.enforcing or not line
        if not line:
            return
        active = [session for session in self.gate.sessions if session.state is SessionState.ACTIVE]
        assert len(active) >= places(self.window)
        growth = self.gate.accounts.estimator.growth_tokens(line[0].footprint)
        load = self.load
        if self.work_conserving and load is not None and load.waiting == 0:
            if load.capacity_tokens is None or load.kv_usage is None:
                assert load.running != 0 or self.ledger.in_flight
            else:
                need = line[0].footprint + growth
                filled = sum(session.footprint + growth for session in active)
                used = load.kv_usage * load.capacity_tokens + self.released
                assert max(filled, used) + need > load.capacity_tokens - 1, "room, and somebody waits"

    @invariant()
    def positions_count_the_line(self) -> None:
        for place, session in enumerate(waiting(self.gate), start=1):
            assert self.gate.queue.position(session) == place

    def teardown(self) -> None:
        """When everything ends, every request has been served, and nothing is left."""
        if not hasattr(self, "gate"):
            return
        self.let_all_go_on()
        patient = {ticket for ticket in self.ledger.held if ticket.deadline > self.now + LONG / 2}
        for _ in range(2 * len(self.ledger.held) + 2):
            while self.ledger.in_flight:
                ticket = _pick(self.ledger.in_flight, 0)
                self.ledger.finished(ticket, self.gate.finish(ticket, Answered(), now=self.now))
            deadline = self.gate.next_deadline()
            if self.ledger.held and deadline is not None:
                self.now = max(self.now, deadline)
                self._expire()
        assert not self.ledger.held
        assert not self.ledger.in_flight
        assert all(ticket.outcome is Outcome.ADMITTED for ticket in patient), "a session starved"
        self.now += TTL
        self._expire()
        assert len(self.gate.sessions) == 0
        assert self.gate.snapshot().footprint_tokens == 0.0
        assert self.gate.next_deadline() is None


class ObservingGateMachine(GateMachine):
    """The same with a law that only observes: no request ever waits."""

    enforcing = False


def _pick(tickets: set[Ticket], which: int) -> Ticket:
    return sorted(tickets, key=lambda ticket: ticket.number)[which % len(tickets)]


TestGate = GateMachine.TestCase
TestGate.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
TestObservingGate = ObservingGateMachine.TestCase
TestObservingGate.settings = settings(max_examples=30, stateful_step_count=30, deadline=None)
