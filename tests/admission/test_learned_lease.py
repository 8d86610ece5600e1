import pytest

from concur_proxy.admission.gap import Gap
from concur_proxy.admission.learned_lease import LearnedLease


class Learning:
    """A lease with a clock, and sessions that go idle and come back."""

    def __init__(self, break_even_s: float | None = None) -> None:
        self.lease = LearnedLease()
        self.now = 1_000.0
        if break_even_s is not None:
            self.lease.observe_break_even(break_even_s)

    def gaps(self, *gaps: float, kind: Gap = Gap.LATER) -> "Learning":
        """Gaps after each other, all of which end with a return."""
        for gap in gaps:
            number = self.lease.begin_gap(kind, now=self.now)
            self.now += gap
            self.lease.end_gap(number, now=self.now, came_back=True)
        return self

    def silence(self, sessions: int, seconds: float, kind: Gap = Gap.FIRST) -> list[int]:
        """So many sessions go idle together, and stay so for this long. Returns their gaps."""
        numbers = [self.lease.begin_gap(kind, now=self.now) for _ in range(sessions)]
        self.now += seconds
        self.lease.review(now=self.now)
        return numbers

    def come_back(self, numbers: list[int]) -> None:
        for number in numbers:
            self.lease.end_gap(number, now=self.now, came_back=True)

    @property
    def later_s(self) -> float:
        self.lease.review(now=self.now)
        return self.lease.duration_s(Gap.LATER)

    @property
    def first_s(self) -> float:
        self.lease.review(now=self.now)
        return self.lease.duration_s(Gap.FIRST)


def just_over(gap: float) -> object:
    """A lease that lets a session come back after `gap`, and is not much longer."""
    return pytest.approx(gap * 1.1 + LearnedLease.SHORTEST_S, rel=0.1)


def test_a_learned_lease_is_long_until_it_knows_enough() -> None:
    assert Learning().gaps(*[1.0] * (LearnedLease.ENOUGH - 1)).later_s == LearnedLease.FIRST_S
    assert Learning().gaps(*[1.0] * LearnedLease.ENOUGH).later_s == just_over(1.0)


def test_gaps_shorter_than_break_even_are_waited_for() -> None:
    assert Learning(27.0).gaps(*[0.5, 8.0] * 20).later_s == just_over(8.0)


@pytest.mark.parametrize("tool_s", [1.0, 2.0, 3.0, 10.0])
def test_agents_with_tools_of_seconds_keep_their_caches(tool_s: float) -> None:
    learning = Learning(27.0)
    for _ in range(10):
        learning.come_back(learning.silence(20, tool_s, Gap.LATER))
    assert learning.later_s == just_over(tool_s)


def test_where_gaps_are_far_longer_than_break_even_no_place_is_held() -> None:
    assert Learning(27.0).gaps(*[float(gap) for gap in range(40, 120)]).later_s == 0.0


def test_rare_long_gaps_are_not_waited_for() -> None:
    assert Learning(27.0).gaps(*[*[1.0] * 19, 300.0] * 10).later_s == just_over(1.0)


def test_a_slower_prefill_makes_the_lease_longer() -> None:
    gaps = [1.0, 20.0] * 50
    assert Learning(10.0).gaps(*gaps).later_s == 0.0
    assert Learning(500.0).gaps(*gaps).later_s == just_over(20.0)


def test_sessions_that_never_come_back_end_the_lease() -> None:
    learning = Learning()
    learning.silence(80, 0.5)
    assert learning.first_s == 0.0
    assert not learning.lease.keeps_caches
    assert learning.lease.return_odds(Gap.FIRST) < 0.5


def test_few_sessions_that_are_silent_for_a_moment_say_nothing() -> None:
    learning = Learning()
    learning.silence(10, 1.0)
    assert learning.first_s == LearnedLease.FIRST_S
    assert (learning.lease.keeps_caches, learning.lease.return_odds(Gap.FIRST)) == (True, 1.0)


def test_few_silent_sessions_are_enough_if_the_engine_is_idle() -> None:
    learning = Learning()
    learning.silence(10, 1.0)
    learning.lease.review(now=learning.now + 0.1, is_engine_idle=True)
    assert learning.first_s == 0.0


def test_returns_after_a_silence_bring_the_lease_back() -> None:
    learning = Learning()
    numbers = learning.silence(80, 2.0)
    assert not learning.lease.keeps_caches
    learning.come_back(numbers)
    assert learning.first_s == just_over(2.0)
    assert learning.lease.keeps_caches


def test_the_lease_after_the_first_answer_is_learned_apart_from_the_others() -> None:
    learning = Learning(27.0).gaps(*[1.0] * 40)
    learning.silence(200, 10.0)
    assert learning.first_s == 0.0
    assert learning.later_s == just_over(1.0)


def test_only_gaps_that_occur_at_present_keep_caches() -> None:
    learning = Learning(27.0).gaps(*[1.0] * 40)
    learning.silence(LearnedLease.LATELY - 1, 10.0)
    assert learning.lease.keeps_caches
    learning.silence(1, 10.0)
    assert not learning.lease.keeps_caches
    assert learning.gaps(1.0).lease.keeps_caches


def test_the_share_that_never_returns_makes_keeping_dearer() -> None:
    learning = Learning(10.0)
    for _ in range(60):
        learning.gaps(4.0)
        learning.silence(4, 5.0, Gap.LATER)
    assert learning.later_s == 0.0
    assert learning.lease.return_odds(Gap.LATER) == pytest.approx(0.2, abs=0.1)


def test_sessions_that_say_that_they_end_cost_nothing() -> None:
    learning = Learning(10.0)
    for _ in range(60):
        for _ in range(4):
            number = learning.lease.begin_gap(Gap.LATER, now=learning.now)
            learning.lease.end_gap(number, now=learning.now, came_back=False)
        learning.gaps(4.0)
    assert learning.later_s == just_over(4.0)
    assert learning.lease.return_odds(Gap.LATER) == pytest.approx(0.2, abs=0.1)


def test_a_kind_of_gap_that_is_not_known_yet_keeps_caches_only_while_none_is_known() -> None:
    learning = Learning(2.0)
    learning.lease.begin_gap(Gap.SUB_AGENTS, now=learning.now)
    assert learning.lease.keeps_caches
    learning.gaps(*[10.0] * 40)
    assert not learning.lease.keeps_caches
    learning.lease.begin_gap(Gap.SUB_AGENTS, now=learning.now)
    assert not learning.lease.keeps_caches


def test_all_sessions_wait_only_if_a_fifth_of_the_returns_are_of_kinds_with_a_lease() -> None:
    learning = Learning(4.0)
    for _ in range(20):
        learning.gaps(1.0, kind=Gap.AGENT).gaps(*[60.0] * 7)
    assert learning.later_s == 0.0
    assert learning.lease.duration_s(Gap.AGENT) == just_over(1.0)
    assert not learning.lease.keeps_caches
    for _ in range(20):
        learning.gaps(1.0, kind=Gap.AGENT).gaps(60.0, 60.0)
    assert learning.later_s == 0.0
    assert learning.lease.keeps_caches


def test_a_lease_does_not_come_and_go() -> None:
    learning = Learning(27.0).gaps(*[1.0] * 40)
    lease = learning.lease

    def keeps(break_even_s: float) -> bool:
        lease.observe_break_even(break_even_s)
        return lease.keeps_caches

    seconds = [step / 100 for step in range(300, 50, -1)]
    lost = next(second for second in seconds if not keeps(second))
    found = next(second for second in reversed(seconds) if keeps(second))
    assert found > lost * 1.1


def test_it_forgets_gaps_of_long_ago() -> None:
    assert Learning().gaps(*[100.0] * 256, *[1.0] * 256).later_s == just_over(1.0)
    assert Learning().gaps(*[1.0] * 256, *[100.0] * 256).later_s == 0.0


def test_a_gap_that_is_not_open_changes_nothing() -> None:
    learning = Learning().gaps(*[1.0] * 20)
    before = learning.later_s
    for number in range(1_000):
        learning.lease.end_gap(number, now=learning.now, came_back=True)
    assert learning.later_s == before


def test_a_lease_begins_with_what_was_learnt_elsewhere_until_it_knows_enough_itself() -> None:
    learning = Learning()
    learning.lease.begin_with(0.7)
    assert learning.later_s == 0.7
    learning.lease.begin_with(0.0)
    learning.gaps(1.0)
    assert not learning.lease.keeps_caches
    learning.gaps(*[1.0] * LearnedLease.ENOUGH)
    learning.lease.begin_with(0.7)
    assert learning.later_s == just_over(1.0)
