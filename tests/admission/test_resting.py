from concur_proxy.admission.gap import Gap
from concur_proxy.admission.learned_lease import LearnedLease
from concur_proxy.admission.lease import FixedLease
from concur_proxy.admission.resting import Rest, Resting
from concur_proxy.admission.session import Session
from concur_proxy.recognition.member import Member


def _session(number: int, *, turns: int = 1, idle_since: float = 0.0) -> Session:
    session = Session(key=f"s{number}", seniority=number, one_shot=False, now=0.0)
    session.turns, session.idle_since = turns, idle_since
    return session


def _next(resting: Resting) -> Rest | None:
    lapsing = resting.next_to_lapse(FixedLease(5.0))
    return None if lapsing is None else lapsing[1]


def test_no_lease_runs_at_first() -> None:
    assert Resting().next_to_lapse(FixedLease(5.0)) is None


def test_the_lease_of_the_first_that_came_to_rest_ends_first() -> None:
    resting, sessions = Resting(), [_session(number, idle_since=float(number)) for number in range(3)]
    for session in sessions:
        resting.rest(session)
    assert resting.next_to_lapse(FixedLease(5.0)) == (5.0, Rest(sessions[0], None, 0.0))
    resting.wake(sessions[0])
    assert resting.next_to_lapse(FixedLease(5.0)) == (6.0, Rest(sessions[1], None, 1.0))
    resting.drop(sessions[1])
    assert resting.next_to_lapse(FixedLease(5.0)) == (7.0, Rest(sessions[2], None, 2.0))


def test_each_kind_of_gap_has_its_own_lease() -> None:
    resting, lease = Resting(), LearnedLease()
    late, early = _session(1, turns=2), _session(2, idle_since=1.0)
    resting.rest(late)
    resting.rest(early)
    lease.observe_break_even(100.0)
    for _ in range(LearnedLease.ENOUGH):
        lease.end_gap(lease.begin_gap(Gap.LATER, now=0.0), now=8.0, came_back=True)
    assert lease.duration_s(Gap.LATER) > LearnedLease.FIRST_S + 1
    assert resting.next_to_lapse(lease) == (1.0 + LearnedLease.FIRST_S, Rest(early, None, 1.0))


def test_an_agent_rests_until_it_or_its_session_leaves() -> None:
    resting, session = Resting(), _session(1)
    session.members = {name: Member(session.key, name) for name in ("", "child", "other")}
    main, child, other = session.members.values()
    resting.rest_member(session, main, Gap.SUB_AGENTS, now=1.0)
    resting.rest_member(session, child, Gap.LATER, now=2.0)
    resting.rest_member(session, other, Gap.LATER, now=3.0)
    assert _next(resting) == Rest(session, main, 1.0)
    resting.wake(session)
    resting.wake_member(main)
    assert _next(resting) == Rest(session, child, 2.0)
    resting.drop(session)
    assert _next(resting) is None


def test_an_agent_is_in_one_gap_only() -> None:
    resting, session = Resting(), _session(1)
    member = session.members[""] = Member(session.key, "")
    resting.rest_member(session, member, Gap.LATER, now=1.0)
    resting.rest_member(session, member, Gap.SUB_AGENTS, now=2.0)
    assert _next(resting) == Rest(session, member, 2.0)
    resting.wake_member(member)
    assert _next(resting) is None
