"""Families under the default law: when the window admits them, and when the gate gives way and admits all."""

from concur_proxy.admission.learned_lease import LearnedLease
from concur_proxy.admission.ticket import Ticket
from concur_proxy.control.laws.tokens import Tokens, TokensOptions
from concur_proxy.control.signal import CongestionSignal
from tests.admission.gates import Scene, load

CAPACITY = 24_000
PREFILL_TOKENS_S = 11_000.0
BREAK_EVEN_S = CAPACITY / PREFILL_TOKENS_S
"""2.2 s: how long the engine takes to compute its whole cache."""
FAMILIES = 500
PROMPT = 100
SUB_AGENTS = ("explore", "review")
ANSWERS_A_SECOND = 40
STEPS_A_SECOND = 4


class Fleet:
    """Families at one gate under the default law. Each asks once, lets two sub-agents work, and runs a tool."""

    def __init__(self, *, tool_s: float, start_s: float = 0.0) -> None:
        """`start_s`: how long after the main agent's answer its sub-agents ask."""
        lease = LearnedLease()
        lease.observe_break_even(BREAK_EVEN_S)
        self.scene = Scene(window=1.0, lease=lease, work_conserving=False, max_waiting=10_000, ttl_s=10_000.0)
        self.law = Tokens(TokensOptions())
        self._promised = self._answered = 0
        self.tool_s, self.start_s = tool_s, start_s
        self._asked: list[Ticket] = []
        self._resting: list[tuple[float, str, str]] = []
        self._open: dict[str, int] = {}
        self._scrape()
        for number in range(FAMILIES):
            self._ask(f"family-{number}")

    def run(self, seconds: int) -> None:
        """Let time pass, in which the engine answers a part of what is in flight, the longest first."""
        for step in range(seconds * STEPS_A_SECOND):
            self.scene.pass_time(1 / STEPS_A_SECOND)
            if step % STEPS_A_SECOND == 0:
                self._scrape()
            for ticket in [each for each in self._asked if each.is_in_flight][: ANSWERS_A_SECOND // STEPS_A_SECOND]:
                self._end(ticket)
            due = [each for each in self._resting if each[0] <= self.scene.now]
            self._resting = [each for each in self._resting if each[0] > self.scene.now]
            for _, name, member in due:
                self._ask(name, member)

    def _ask(self, name: str, member: str = "") -> None:
        self._asked.append(self.scene.arrive(name, tokens=PROMPT, member=member))

    def _end(self, ticket: Ticket) -> None:
        self._asked.remove(ticket)
        self.scene.finish(ticket, prompt=PROMPT, completion=10)
        name = ticket.session.key
        if not ticket.member.name:
            self._open[name] = len(SUB_AGENTS)
            self._resting += [(self.scene.now + self.start_s, name, each) for each in SUB_AGENTS]
            return
        self._open[name] -= 1
        if not self._open[name]:
            self._resting.append((self.scene.now + self.tool_s, name, ""))

    def _scrape(self) -> None:
        gate = self.scene.gate
        shown = gate.snapshot()
        gate.observe(load(running=shown.in_flight, capacity_tokens=CAPACITY, kv_usage=0.9), now=self.scene.now)
        promised, answered = shown.promised_tokens - self._promised, shown.answered_tokens - self._answered
        self._promised, self._answered = shown.promised_tokens, shown.answered_tokens
        signal = CongestionSignal(
            now=self.scene.now,
            in_flight=shown.in_flight,
            running=shown.in_flight,
            waiting=0,
            capacity_tokens=CAPACITY,
            prefilled_tokens=answered,
            prefill_tokens_s=PREFILL_TOKENS_S,
            promised_tokens=promised,
            told_tokens=promised,
            lost_tokens=promised // 2,
            footprint_tokens=shown.footprint_tokens,
            separate_tokens=shown.separate_tokens,
            active_sessions=shown.active,
            queued_sessions=shown.waiting,
            gives_way=shown.gives_way is not None or shown.is_overfull,
        )
        decision = self.law.on_signal(signal)
        gate.resize(decision.window, now=self.scene.now, budget=decision.budget)


def test_nobody_waits_if_tools_take_longer_than_computing_the_whole_cache() -> None:
    """No cache is worth keeping until the next turn, so there is nothing for the window to protect."""
    fleet = Fleet(start_s=BREAK_EVEN_S, tool_s=5 * BREAK_EVEN_S)
    fleet.run(60)
    shown = fleet.scene.gate.snapshot()
    assert (shown.gives_way, shown.waiting, shown.active) == ("lease", 0, FAMILIES)
    assert shown.budget_tokens is not None
    assert shown.footprint_tokens > 5 * shown.budget_tokens
    assert fleet.scene.gate.counters["admit", "lease"] > FAMILIES / 2


def test_what_is_recomputed_while_nobody_waits_does_not_lower_the_window() -> None:
    fleet = Fleet(start_s=BREAK_EVEN_S, tool_s=5 * BREAK_EVEN_S)
    fleet.run(30)
    before = fleet.scene.gate.snapshot()
    fleet.run(30)
    after = fleet.scene.gate.snapshot()
    assert (before.gives_way, after.gives_way) == ("lease", "lease")
    assert after.budget_tokens == before.budget_tokens


def test_with_short_tools_only_sub_agents_of_families_with_a_place_pass_the_window() -> None:
    fleet = Fleet(start_s=0.2 * BREAK_EVEN_S, tool_s=0.2 * BREAK_EVEN_S)
    for _ in range(60):
        fleet.run(1)
        assert _fits(fleet)
    reasons = {reason for event, reason in fleet.scene.gate.counters if event in {"admit", "resume"}}
    assert reasons == {"window"}


def test_families_wait_again_once_tools_are_short() -> None:
    fleet = Fleet(start_s=BREAK_EVEN_S, tool_s=5 * BREAK_EVEN_S)
    fleet.run(60)
    fleet.start_s = fleet.tool_s = 0.1 * BREAK_EVEN_S
    fleet.run(60)
    assert _fits(fleet)


def test_the_window_is_not_judged_until_those_have_paused_that_were_admitted_whatever_it_was() -> None:
    fleet = Fleet(start_s=BREAK_EVEN_S, tool_s=5 * BREAK_EVEN_S)
    fleet.run(60)
    before = fleet.scene.gate.snapshot()
    fleet.start_s = fleet.tool_s = 0.1 * BREAK_EVEN_S
    seconds = 0
    while (shown := fleet.scene.gate.snapshot()).gives_way or shown.is_overfull:
        assert shown.budget_tokens == before.budget_tokens
        seconds += shown.gives_way is None
        fleet.run(1)
    assert before.is_overfull
    assert seconds > 1
    assert _fits(fleet)


def _fits(fleet: Fleet) -> bool:
    """Whether families wait, and those with a place need no more than the window and what their sub-agents add."""
    shown = fleet.scene.gate.snapshot()
    assert shown.budget_tokens is not None
    return shown.gives_way is None and shown.footprint_tokens <= 1.5 * shown.budget_tokens
