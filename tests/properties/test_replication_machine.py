"""The admission protocol between replicas and leaders, with a crash or a delay between any two steps."""

from collections import deque

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from concur_proxy.admission.arrival import Answered, Arrival
from concur_proxy.admission.changes import Steer
from concur_proxy.admission.fleet import Fleet
from concur_proxy.admission.gate import SessionGate
from concur_proxy.admission.gate_state import GateOptions
from concur_proxy.admission.handover import SessionRecord
from concur_proxy.admission.lease import FixedLease
from concur_proxy.admission.manual import Steering
from concur_proxy.admission.numbering import Numbers
from concur_proxy.admission.outcome import Outcome
from concur_proxy.admission.ticket import Ticket
from concur_proxy.coordination.protocol.leader import Leader, Post
from concur_proxy.coordination.protocol.messages import Rejoin, ToLeader, ToReplica
from concur_proxy.coordination.protocol.replica import Replica
from tests.properties.ledger import recount

LEASE_S, TTL_S, GRACE_S = 4.0, 50.0, 1.0
ENGINES = ["one", "two"]
KEYS = st.none() | st.sampled_from("abcdef")
WHICH = st.integers(0, 1_000)


class ReplicationMachine(RuleBasedStateMachine):
    """Two or three gateways, one of which leads. Messages arrive in order at some time, or are lost with a term."""

    @initialize(replicas=st.integers(2, 3), window=st.sampled_from([1.0, 2.0]))
    def open(self, replicas: int, window: float) -> None:
        self.now = 0.0
        self.window = window
        self.born = 0
        self.replicas: dict[str, Replica] = {}
        self.kept: dict[str, SessionRecord] = {}
        for _ in range(replicas):
            self._bear()
        self._lead(knows=True)

    # -- what clients do

    @rule(which=WHICH, key=KEYS, hold=st.sampled_from([3.0, 10_000.0]))
    def arrive(self, which: int, key: str | None, hold: float) -> None:
        name = self._name(which)
        _, message = self.replicas[name].arrive(Arrival(key=key, body_bytes=40, hold_s=hold), now=self.now)
        self._say(name, message)

    @rule(which=WHICH, whose=WHICH, gone=st.booleans())
    def finish(self, which: int, whose: int, *, gone: bool) -> None:
        name = self._name(whose)
        released = self.replicas[name].released
        if released:
            self._finish(name, released[which % len(released)], gone=gone)

    @rule(which=WHICH, whose=WHICH)
    def give_up(self, which: int, whose: int) -> None:
        name = self._name(whose)
        held = self.replicas[name].held
        if held:
            self._give_up(name, held[which % len(held)])

    # -- what operators do

    @rule(key=st.sampled_from("abcdef"), steering=st.sampled_from(Steering))
    def steer(self, key: str, steering: Steering) -> None:
        self._steer(key, steering)

    def _steer(self, key: str, steering: Steering) -> None:
        self._carry(
            self.leader.post(self.leader.fleet.apply(Steer(key=key, steering=steering), now=self.now), now=self.now)
        )

    # -- what the network and time do

    @rule(which=WHICH)
    def hear(self, which: int) -> None:
        name = self._name(which)
        if self.up[name]:
            self._carry(self.leader.receive(name, self.up[name].popleft(), now=self.now))

    @rule(which=WHICH)
    def be_told(self, which: int) -> None:
        name = self._name(which)
        if self.down[name]:
            self._tell(name, self.down[name].popleft())

    @rule(seconds=st.sampled_from([0.5, 2.0, 5.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self._carry(self.leader.open(now=self.now))
        self._carry(self.leader.post(self.leader.fleet.expire(now=self.now), now=self.now))
        for name, replica in self.replicas.items():
            for ticket in replica.overdue(now=self.now):
                self._give_up(name, ticket, Outcome.HOLD_TIMEOUT)

    @rule()
    def keep(self) -> None:
        for key in self.changes:
            record = self.leader.fleet.record(key, now=self.now)
            if record is None:
                self.kept.pop(key, None)
            else:
                self.kept[key] = record
        self.changes.clear()

    # -- what goes wrong

    @rule(which=WHICH, is_noticed=st.booleans())
    def a_replica_crashes(self, which: int, *, is_noticed: bool) -> None:
        name = self._name(which)
        del self.replicas[name], self.up[name], self.down[name]
        if is_noticed:
            self._carry(self.leader.lose(name, now=self.now))
        else:
            self.unnoticed.add(name)
        newcomer = self._bear()
        self._connect(newcomer)

    @precondition(lambda self: self.unnoticed)
    @rule()
    def a_crash_is_noticed(self) -> None:
        self._carry(self.leader.lose(self.unnoticed.pop(), now=self.now))

    @rule(which=WHICH)
    def a_replica_is_taken_for_dead(self, which: int) -> None:
        self._carry(self.leader.lose(self._name(which), now=self.now))

    @rule(knows=st.booleans())
    def another_leads(self, *, knows: bool) -> None:
        self._lead(knows=knows)

    # -- invariants

    @invariant()
    def the_leader_counts_what_it_has_released(self) -> None:
        known = [ticket for name in self.leader.replicas for ticket in self.leader.tickets_of(name)]
        in_flight = sum(gate.snapshot().in_flight for gate in self.leader.fleet.gates.values())
        assert in_flight == sum(ticket.is_in_flight for ticket in known)
        assert all(ticket.is_held or ticket.is_in_flight for ticket in known)
        for gate in self.leader.fleet.gates.values():
            recount(gate)

    def teardown(self) -> None:
        if not hasattr(self, "leader"):
            return
        while self.unnoticed:
            self.a_crash_is_noticed()
        self.now += GRACE_S
        self._settle()
        for name, replica in self.replicas.items():
            known = self.leader.tickets_of(name)
            assert len(known) == len(replica)
            assert sum(ticket.is_held for ticket in known) == len(replica.held)
        self._everybody_comes_to_an_end()

    def _everybody_comes_to_an_end(self) -> None:
        for key in "abcdef":
            self._steer(key, Steering.RESUME)
        for _ in range(1_000):
            if not any(len(replica) for replica in self.replicas.values()):
                break
            for name, replica in self.replicas.items():
                for ticket in replica.released:
                    self._finish(name, ticket, gone=False)
            self._settle()
            self.now += LEASE_S
            self._carry(self.leader.post(self.leader.fleet.expire(now=self.now), now=self.now))
            self._settle()
        assert all(len(replica) == 0 for replica in self.replicas.values()), "a request was forgotten"
        for gate in self.leader.fleet.gates.values():
            snapshot = gate.snapshot()
            assert (snapshot.in_flight, snapshot.held, snapshot.waiting) == (0, 0, 0)
        self.now += TTL_S + LEASE_S
        self.leader.fleet.expire(now=self.now)
        assert all(gate.active == 0 for gate in self.leader.fleet.gates.values()), "a place leaked"

    # -- implementation

    def _lead(self, *, knows: bool) -> None:
        def make_gate(engine: str, numbers: Numbers) -> SessionGate:
            options = GateOptions(max_waiting_sessions=1_000, session_ttl_s=TTL_S)
            return SessionGate(
                options=options, lease=FixedLease(LEASE_S), window=self.window, engine=engine, numbers=numbers
            )

        fleet = Fleet(engines=ENGINES, make_gate=make_gate)
        self.changes: set[str] = set()
        if not knows:
            self.kept.clear()
        for record in self.kept.values():
            fleet.restore(record, now=self.now)
        fleet.note_changes(self.changes)
        self.leader = Leader(fleet, expected=list(self.replicas), open_at=self.now + GRACE_S)
        self.unnoticed: set[str] = set()
        self.up: dict[str, deque[ToLeader]] = {}
        self.down: dict[str, deque[ToReplica]] = {}
        for name in self.replicas:
            self._connect(name)

    def _bear(self) -> str:
        self.born += 1
        name = f"replica-{self.born}"
        self.replicas[name] = Replica()
        return name

    def _connect(self, name: str) -> None:
        self.up[name], self.down[name] = deque(), deque()
        self._say(name, self.replicas[name].join(now=self.now))

    def _name(self, which: int) -> str:
        return list(self.replicas)[which % len(self.replicas)]

    def _say(self, name: str, message: ToLeader | None) -> None:
        if message is not None:
            self.up[name].append(message)

    def _carry(self, post: Post) -> None:
        for name, message in post:
            if name in self.down:
                self.down[name].append(message)

    def _tell(self, name: str, message: ToReplica) -> None:
        replica = self.replicas[name]
        if isinstance(message, Rejoin):
            self._say(name, replica.join(now=self.now))
        for ticket in replica.receive([message], now=self.now):
            assert not ticket.is_held

    def _finish(self, name: str, ticket: Ticket, *, gone: bool) -> None:
        answered = Answered(prompt_tokens=100, completion_tokens=10, client_gone=gone)
        self._say(name, self.replicas[name].finish(ticket, answered, now=self.now))

    def _give_up(self, name: str, ticket: Ticket, outcome: Outcome = Outcome.CLIENT_GONE) -> None:
        self._say(name, self.replicas[name].refuse(ticket, outcome, now=self.now))

    def _settle(self) -> None:
        """Deliver all messages."""
        self._carry(self.leader.open(now=self.now))
        for name in self.replicas:  # as a replica does after a silence
            if name not in self.leader.replicas:
                self._say(name, self.replicas[name].join(now=self.now))
        while any(self.up.values()) or any(self.down.values()):
            for which in range(len(self.replicas)):
                self.hear(which)
                self.be_told(which)


TestReplication = ReplicationMachine.TestCase
TestReplication.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
