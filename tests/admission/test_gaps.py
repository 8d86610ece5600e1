"""The kinds of gaps that the lease learns from, and when a gap ends."""

import pytest

from concur_proxy.admission.gap import Gap
from concur_proxy.admission.gaps import Gaps
from concur_proxy.admission.lease import FixedLease
from concur_proxy.admission.resting import Resting
from concur_proxy.admission.session import Session, SessionState
from concur_proxy.recognition.member import Member


class Learner(FixedLease):
    """A lease of 5 s that remembers its gaps."""

    def __init__(self) -> None:
        super().__init__(5.0)
        self.begun: list[Gap] = []
        self.ended: list[tuple[int, bool]] = []

    def begin_gap(self, kind: Gap, *, now: float) -> int:
        super().begin_gap(kind, now=now)
        self.begun.append(kind)
        return len(self.begun)

    def end_gap(self, number: int, *, now: float, came_back: bool) -> None:
        super().end_gap(number, now=now, came_back=came_back)
        self.ended.append((number, came_back))


def _family(state: SessionState = SessionState.ACTIVE) -> tuple[Session, Member]:
    session = Session(key="s", seniority=1, one_shot=False, now=0.0)
    session.state = state
    member = session.members["child"] = Member("s", "child", "")
    member.is_live = True
    return session, member


@pytest.mark.parametrize(("turns", "kind"), [(1, Gap.FIRST), (2, Gap.LATER)])
def test_the_gap_of_a_session_ends_once(turns: int, kind: Gap) -> None:
    lease = Learner()
    gaps, (session, _) = Gaps(lease, Resting()), _family()
    session.turns = turns
    gaps.begin(session, 1.0)
    for _ in range(2):
        gaps.end(session, 2.0, came_back=True)
    assert (lease.begun, lease.ended) == ([kind], [(1, True)])


def test_an_idle_agent_of_a_family_at_work_has_a_lease_until_it_is_back() -> None:
    lease, resting = Learner(), Resting()
    gaps, (session, member) = Gaps(lease, resting), _family()
    gaps.rest_member(session, member, 1.0)
    lapsing = resting.next_to_lapse(lease)
    assert lapsing is not None
    assert (lapsing[0], lapsing[1].member) == (6.0, member)
    gaps.end_of(member, 2.0, came_back=True)
    assert resting.next_to_lapse(lease) is None
    assert (lease.begun, lease.ended) == ([Gap.AGENT], [(1, True)])


def test_a_waiting_agent_that_ends_ends_both_of_its_gaps() -> None:
    lease = Learner()
    gaps, (session, member) = Gaps(lease, Resting()), _family()
    gaps.rest_member(session, member, 1.0)
    gaps.wait_for_sub_agents(session, member, 2.0)
    gaps.end_turn(member, 3.0, came_back=False)
    gaps.end_of(member, 4.0, came_back=False)
    assert lease.begun == [Gap.AGENT, Gap.SUB_AGENTS]
    assert lease.ended == [(1, False), (2, False)]


@pytest.mark.parametrize(("state", "is_live"), [(SessionState.PAUSED, True), (SessionState.ACTIVE, False)])
def test_a_cache_that_is_not_kept_has_no_lease(state: SessionState, *, is_live: bool) -> None:
    lease, resting = Learner(), Resting()
    gaps, (session, member) = Gaps(lease, resting), _family(state)
    member.is_live = is_live
    gaps.wait_for_sub_agents(session, member, 1.0)
    assert lease.begun == [Gap.SUB_AGENTS]
    assert resting.next_to_lapse(lease) is None
