"""A fleet continues the sessions that another leader has saved."""

from msgspec.structs import replace

from concur_proxy.coordination.group.taking_over import take_over
from concur_proxy.steps import finish
from tests.coordination.fleets import make_fleet
from tests.coordination.group.members import MANY, saved


def test_what_is_saved_need_not_be_saved_again() -> None:
    fleet = make_fleet(window=float(MANY))
    assert finish(take_over(saved(), fleet, now=100.0)) == set()
    assert len(fleet.gates["a"].sessions) == MANY


def test_a_session_that_cannot_be_restored_is_forgotten_and_keeps_no_other_from_it() -> None:
    records = saved()
    records[3] = replace(records[3], state="unheard of")
    fleet = make_fleet(window=float(MANY))
    assert finish(take_over(records, fleet, now=100.0)) == {"s3"}
    assert {session.key for session in fleet.gates["a"].sessions} == {f"s{n}" for n in range(MANY)} - {"s3"}


def test_sessions_that_are_forgotten_because_memory_is_short_are_not_kept_for_the_next_leader() -> None:
    fleet = make_fleet(window=float(MANY), most_conversations=10, lease_s=0.0)
    forgotten = finish(take_over(saved(), fleet, now=100.0))
    known = {session.key for session in fleet.gates["a"].sessions}
    assert len(known) == 10
    assert forgotten == {f"s{n}" for n in range(MANY)} - known


def test_a_session_that_changes_meanwhile_is_saved_again() -> None:
    fleet = make_fleet(window=float(MANY))
    steps = take_over(saved(), fleet, now=100.0)
    while fleet.seniority_of("s5") is None:
        next(steps)
    (session,) = (each for each in fleet.gates["a"].sessions if each.key == "s5")
    fleet.gates["a"].forget(session, now=100.0)
    assert finish(steps) == {"s5"}
