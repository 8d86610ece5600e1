"""Tenants, families, releases, ends and leaving clients in any order: what one tenant does never reaches another's.

All tenants use the same few session ids and member names, so that a mix-up would show.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from concur_proxy.admission.arrival import Answered, Arrival
from concur_proxy.admission.changes import EndSession, Resize, Steer
from concur_proxy.admission.fleet import Fleet
from concur_proxy.admission.gate import SessionGate
from concur_proxy.admission.gate_state import GateOptions
from concur_proxy.admission.lease import FixedLease
from concur_proxy.admission.manual import Steering
from concur_proxy.admission.numbering import Numbers
from concur_proxy.admission.session import Session
from concur_proxy.admission.ticket import Ticket
from concur_proxy.recognition.tenants import scoped, split_name
from tests.properties.ledger import Ledger
from tests.recognition.chains import chain

TTL, LEASE = 50.0, 4.0
TENANTS = st.sampled_from(["red", "blue", "green"])
IDS = st.sampled_from(["a", "b", "c"])
MEMBERS = st.sampled_from(["", "", "m", "n"])
WHICH = st.integers(0, 1_000)


class TenantMachine(RuleBasedStateMachine):
    """Three tenants at one or two engines."""

    @initialize(engines=st.integers(1, 2), window=st.sampled_from([1.0, 2.0, 3.0]), work_conserving=st.booleans())
    def open(self, engines: int, window: float, *, work_conserving: bool) -> None:
        options = GateOptions(max_waiting_sessions=100, session_ttl_s=TTL, work_conserving=work_conserving)

        def make_gate(engine: str, numbers: Numbers) -> SessionGate:
            return SessionGate(options=options, lease=FixedLease(LEASE), window=window, engine=engine, numbers=numbers)

        self.now = 0.0
        self.ledger = Ledger()
        self.owners: dict[Ticket, str] = {}
        self.fleet = Fleet(engines=["one", "two"][:engines], make_gate=make_gate)

    # -- what clients do

    @rule(tenant=TENANTS, session_id=IDS, member=MEMBERS, hold=st.sampled_from([3.0, 1e9]))
    def ask(self, tenant: str, session_id: str, member: str, hold: float) -> None:
        self._arrive(tenant, Arrival(tenant=tenant, key=scoped(tenant, session_id), member=member, hold_s=hold))

    @rule(tenant=TENANTS, session_id=IDS, parent=IDS)
    def ask_as_a_sub_agent(self, tenant: str, session_id: str, parent: str) -> None:
        """A sub-agent with a session id of its own says which session has started it."""
        parent_key = None if parent == session_id else scoped(tenant, parent)
        self._arrive(tenant, Arrival(tenant=tenant, key=scoped(tenant, session_id), parent_key=parent_key, hold_s=1e9))

    @rule(tenant=TENANTS, words=st.lists(st.sampled_from(["x", "y"]), max_size=3))
    def ask_without_a_name(self, tenant: str, words: list[str]) -> None:
        """All tenants have the same prompts. A chain begins with its tenant, see `recognition.segments`."""
        self._arrive(tenant, Arrival(tenant=tenant, chain=chain("tools", *words, scope=tenant), hold_s=1e9))

    @precondition(lambda self: self.ledger.in_flight)
    @rule(which=WHICH, tokens=st.none() | st.integers(0, 3_000), gone=st.booleans())
    def be_answered(self, which: int, tokens: int | None, *, gone: bool) -> None:
        ticket = self._pick(self.ledger.in_flight, which)
        answered = Answered(prompt_tokens=tokens, client_gone=gone)
        with self._others_keep_theirs(self.owners[ticket]):
            self.ledger.finished(ticket, self.fleet.finish(ticket, answered, now=self.now))

    @precondition(lambda self: self.ledger.held)
    @rule(which=WHICH)
    def leave_while_waiting(self, which: int) -> None:
        ticket = self._pick(self.ledger.held, which)
        with self._others_keep_theirs(self.owners[ticket]):
            self.ledger.abandoned(ticket, self.fleet.finish(ticket, Answered(client_gone=True), now=self.now))

    @rule(tenant=TENANTS, session_id=IDS)
    def release(self, tenant: str, session_id: str) -> None:
        """A client says that its session has ended, also one that does not exist."""
        with self._others_keep_theirs(tenant):
            self.ledger.decided(self.fleet.apply(EndSession(key=scoped(tenant, session_id)), now=self.now))

    # -- what an operator and time do

    @rule(tenant=TENANTS, session_id=IDS, steering=st.sampled_from(Steering))
    def steer(self, tenant: str, session_id: str, steering: Steering) -> None:
        change = Steer(key=scoped(tenant, session_id), steering=steering)
        with self._others_keep_theirs(tenant):
            self.ledger.decided(self.fleet.apply(change, now=self.now))

    @rule(window=st.sampled_from([1.0, 2.0, 3.0]))
    def resize(self, window: float) -> None:
        for engine in self.fleet.gates:
            self.ledger.decided(self.fleet.apply(Resize(engine=engine, window=window), now=self.now))

    @rule(seconds=st.sampled_from([1.0, LEASE, TTL]))
    def let_time_pass(self, seconds: float) -> None:
        self.now += seconds
        self.ledger.decided(self.fleet.expire(now=self.now))

    # -- what must be so

    @invariant()
    def ledger_and_gates_agree(self) -> None:
        if hasattr(self, "fleet"):
            self.ledger.check(self.fleet.gates.values(), share_prompts=True)

    @invariant()
    def a_request_is_in_a_session_of_its_tenant(self) -> None:
        if hasattr(self, "fleet"):
            for ticket in self.ledger.held | self.ledger.in_flight:
                assert ticket.session.tenant == self.owners[ticket]
            for session in self._sessions():
                assert session.key.startswith("\x00") or split_name(session.key)[0] == session.tenant

    def teardown(self) -> None:
        """When all clients have left, nothing is left, and the window is free."""
        if not hasattr(self, "fleet"):
            return
        while self.ledger.in_flight or self.ledger.held:
            if self.ledger.in_flight:
                self.be_answered(0, None, gone=True)
            else:
                self.leave_while_waiting(0)
        for _ in range(3):
            self.let_time_pass(TTL)
        assert not self._sessions()
        for gate in self.fleet.gates.values():
            snapshot = gate.snapshot()
            assert (snapshot.in_flight, snapshot.held, snapshot.footprint_tokens) == (0, 0, 0)

    # -- parts

    def _arrive(self, tenant: str, arrival: Arrival) -> None:
        with self._others_keep_theirs(tenant):
            ticket, decided = self.fleet.arrive(arrival, now=self.now)
            self.owners[ticket] = tenant
            self.ledger.arrived(ticket, decided)

    def _sessions(self) -> list[Session]:
        return [session for gate in self.fleet.gates.values() for session in gate.sessions]

    @contextmanager
    def _others_keep_theirs(self, tenant: str) -> Iterator[None]:
        """Nothing that a tenant does ends another's session, or adds, removes or finishes one of its requests."""
        before = self._of_others(tenant)
        yield
        assert self._of_others(tenant) == before

    def _of_others(self, tenant: str) -> dict[str, tuple[int, bool, list[str]]]:
        """The sessions of all other tenants: their open requests, whether an operator stopped them, their members."""
        return {
            session.key: (len(session.held) + session.in_flight, session.stopped, sorted(session.members))
            for session in self._sessions()
            if session.tenant != tenant
        }

    def _pick(self, tickets: set[Ticket], which: int) -> Ticket:
        ordered = [ticket for ticket in self.owners if ticket in tickets]
        return ordered[which % len(ordered)]


TestTenants = TenantMachine.TestCase
TestTenants.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
