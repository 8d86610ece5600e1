"""Any sequence of events at a gate with a goal: nobody starves, and the goal keeps its own bounds."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from concur_proxy.admission.arrival import Answered
from concur_proxy.admission.gate import SessionGate
from concur_proxy.admission.gate_state import GateOptions
from concur_proxy.admission.goal import Goal
from concur_proxy.admission.learned_lease import LearnedLease
from tests.properties.test_budget_machine import WHICH, BudgetMachine, _pick

TARGETS = st.none() | st.sampled_from([1.0, 10.0, 100.0])


class GoalMachine(BudgetMachine):
    """The machine of a gate that limits tokens, with a goal."""

    @initialize(goal=st.sampled_from(list(Goal)), target_s=TARGETS)
    def choose(self, goal: Goal, target_s: float | None) -> None:
        options = GateOptions(max_waiting_sessions=100, session_ttl_s=1e9, goal=goal, first_token_target_s=target_s)
        self.gate = SessionGate(options=options, lease=LearnedLease(), window=2.0, engine="e")

    @precondition(lambda self: self.ledger.in_flight)
    @rule(which=WHICH, first_token_s=st.sampled_from([0.0, 0.1, 5.0, 500.0]))
    def answer(self, which: int, first_token_s: float) -> None:
        ticket = _pick(self.ledger.in_flight, which)
        answered = Answered(prompt_tokens=300, completion_tokens=30, first_token_s=first_token_s)
        self.ledger.finished(ticket, self.gate.finish(ticket, answered, now=self.now))

    @invariant()
    def nobody_is_let_through_without_a_goal(self) -> None:
        standing = self.gate.goal_standing(now=self.now)
        counters = self.gate.counters
        assert counters["admit", "goal"] + counters["resume", "goal"] >= standing.let_through
        if standing.goal is Goal.THROUGHPUT:
            assert not standing.let_through
            assert self.gate.snapshot().gives_way != "goal"

    @invariant()
    def a_verdict_needs_a_target_and_answers(self) -> None:
        standing = self.gate.goal_standing(now=self.now)
        assert (standing.is_met is None) == (standing.target_s is None or standing.first_token_p99_s is None)
        assert standing.first_token_p99_s is None or standing.first_token_p99_s >= 0


TestGoalMachine = GoalMachine.TestCase
TestGoalMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
