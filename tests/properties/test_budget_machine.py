import math

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from concur_proxy.admission.apart import LONGEST_S
from concur_proxy.admission.arrival import Answered, Arrival
from concur_proxy.admission.gate import SessionGate
from concur_proxy.admission.gate_state import GateOptions
from concur_proxy.admission.learned_lease import LearnedLease
from concur_proxy.admission.limits import EngineLoad
from concur_proxy.admission.session import Session
from concur_proxy.admission.ticket import Ticket
from concur_proxy.control.law import Budget
from concur_proxy.recognition.whereabouts import Whereabouts
from tests.properties.ledger import Ledger

KEYS = st.sampled_from(["a", "b", "c", "d", "e", "f"])
TOKENS = st.integers(0, 3_000)
BUDGETS = st.none() | st.builds(
    Budget, tokens=st.sampled_from([1.0, 500.0, 2_000.0, 50_000.0]), reserve_turns=st.sampled_from([0.0, 1.0, 3.0])
)
LOADS = st.none() | st.builds(
    EngineLoad,
    running=st.integers(0, 3),
    waiting=st.sampled_from([0, 2]),
    kv_usage=st.sampled_from([0.0, 0.5, 1.0]),
    capacity_tokens=st.sampled_from([100, 1_000, 10_000]),
    prefill_tokens_s=st.none() | st.sampled_from([10.0, 1_000.0, 100_000.0]),
)
WHICH = st.integers(0, 1_000)
HOW: dict[str, dict[str, bool]] = {"accepted": {}, "gone": {"client_gone": True}, "refused": {"refused": True}}
HOWS = st.sampled_from(sorted(HOW))


class BudgetMachine(RuleBasedStateMachine):
    """Any sequence of events at a gate that limits tokens and learns its lease."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.ledger = Ledger()
        self.apart: dict[Session, float] = {}
        self.gate = SessionGate(
            options=GateOptions(max_waiting_sessions=100, session_ttl_s=1e9),
            lease=LearnedLease(),
            window=2.0,
            engine="e",
        )

    @rule(key=KEYS, size=st.sampled_from([40, 4_000, 40_000]))
    def arrive(self, key: str, size: int) -> None:
        ticket, decided = self.gate.arrive(
            Whereabouts(session=key), Arrival(key=key, body_bytes=size, hold_s=math.inf), now=self.now
        )
        self.ledger.arrived(ticket, decided)

    @precondition(lambda self: self.ledger.in_flight)
    @rule(which=WHICH, prompt=st.none() | TOKENS, completion=TOKENS, cached=st.none() | TOKENS, how=HOWS)
    def finish(self, which: int, prompt: int | None, completion: int, cached: int | None, how: str) -> None:
        ticket = _pick(self.ledger.in_flight, which)
        answered = Answered(prompt_tokens=prompt, completion_tokens=completion, cached_tokens=cached, **HOW[how])
        decided = self.gate.finish(ticket, answered, now=self.now)
        self.ledger.finished(ticket, decided)

    @precondition(lambda self: self.ledger.held)
    @rule(which=WHICH)
    def abandon(self, which: int) -> None:
        ticket = _pick(self.ledger.held, which)
        self.ledger.abandoned(ticket, self.gate.finish(ticket, Answered(client_gone=True), now=self.now))

    @rule(key=KEYS)
    def end(self, key: str) -> None:
        self.ledger.decided(self.gate.end(key, now=self.now))

    @rule(window=st.sampled_from([1.0, 3.0, math.inf]), budget=BUDGETS)
    def resize(self, window: float, budget: Budget | None) -> None:
        self.ledger.decided(self.gate.resize(window, now=self.now, budget=budget))

    @rule(load=LOADS)
    def observe(self, load: EngineLoad | None) -> None:
        self.ledger.decided(self.gate.observe(load, now=self.now))

    @rule(seconds=st.sampled_from([0.0, 0.5, 5.0, 60.0]))
    def let_time_pass(self, seconds: float) -> None:
        self.now += seconds
        self.ledger.decided(self.gate.expire(now=self.now))

    @invariant()
    def ledger_and_gate_agree(self) -> None:
        self.ledger.check([self.gate])

    @invariant()
    def somebody_runs_while_somebody_waits(self) -> None:
        now = self.gate.snapshot()
        assert now.active or not now.waiting
        assert now.lost_tokens <= now.told_tokens <= now.promised_tokens
        assert now.footprint_tokens >= -1e-6

    @invariant()
    def sessions_that_are_too_large_wait_only_for_so_long(self) -> None:
        apart = list(self.gate.apart)
        assert all(session.held and session not in self.gate.queue for session in apart)
        self.apart = {session: self.apart.get(session, self.now) for session in apart}
        for session, since in self.apart.items():
            assert self.now - since <= LONGEST_S or self.gate.snapshot().in_flight, session.key

    def teardown(self) -> None:
        """No session starves: when answers end and silent sessions stay silent, all waiting sessions are admitted."""
        for _ in range(200):
            if not self.ledger.held:
                break
            for ticket in list(self.ledger.in_flight):
                self.ledger.finished(ticket, self.gate.finish(ticket, Answered(prompt_tokens=10), now=self.now))
            deadline = self.gate.next_deadline()
            if deadline is not None and self.ledger.held:
                self.now = max(self.now, deadline)
                self.ledger.decided(self.gate.expire(now=self.now))
        assert not self.ledger.held
        self.ledger.check([self.gate])


def _pick(tickets: set[Ticket], which: int) -> Ticket:
    ordered = sorted(tickets, key=lambda ticket: ticket.number)
    return ordered[which % len(ordered)]


TestBudgetMachine = BudgetMachine.TestCase
TestBudgetMachine.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
