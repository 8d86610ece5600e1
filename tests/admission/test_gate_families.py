"""Families: one place, an account for each agent, and a lease on the cache of an agent that is idle while its family
works.
"""

import math

import pytest

from concur_proxy.admission.gap import Gap
from concur_proxy.admission.learned_lease import LearnedLease
from concur_proxy.admission.lease import FixedLease
from concur_proxy.admission.session import SessionState
from concur_proxy.control.law import Budget
from tests.admission.gates import Scene


def _scene(tokens: float = 1_000, *, lease_s: float = 5.0) -> Scene:
    scene = Scene(window=1.0, lease=FixedLease(lease_s), work_conserving=False, ttl_s=10_000.0)
    scene.gate.resize(math.inf, now=0.0, budget=Budget(tokens=tokens, reserve_turns=0.0))
    return scene


def _parent_with_child(scene: Scene, *, parent: int = 600, child: int = 100) -> None:
    """A session whose main agent has an answer of so many tokens, and a sub-agent at work."""
    scene.finish(scene.arrive("f", tokens=parent), prompt=parent, completion=0)
    scene.arrive("f", member="child", tokens=child)


def test_a_sub_agent_does_not_wait_for_the_place_of_its_family() -> None:
    scene = _scene()
    scene.finish(scene.arrive("f", tokens=900), prompt=900, completion=0)
    assert scene.arrive("f", member="child", tokens=900).is_in_flight
    assert scene.arrive("f", member="grandchild", parent="child", tokens=900).is_in_flight


def test_a_waiting_agent_is_charged_while_nobody_needs_the_room() -> None:
    scene = _scene()
    _parent_with_child(scene)
    scene.pass_time(100.0)
    assert scene.gate.footprint_tokens == pytest.approx(700)


def test_a_waiting_agents_cache_makes_room_when_its_lease_has_ended() -> None:
    scene = _scene()
    _parent_with_child(scene)
    other = scene.arrive("other", tokens=500)
    assert other.is_held
    assert scene.gate.next_lapse() == 5.0
    assert scene.pass_time(4.9) == []
    assert scene.pass_time(0.2) == [other]
    assert scene.gate.footprint_tokens == pytest.approx(600)
    assert scene.session("f").state is SessionState.ACTIVE


def test_a_finished_sub_agents_cache_makes_room_while_its_siblings_work() -> None:
    scene = _scene()
    scene.finish(scene.arrive("f", tokens=100), prompt=100, completion=0)
    done = scene.arrive("f", member="done", tokens=600)
    scene.arrive("f", member="busy", tokens=100)
    scene.finish(done, prompt=600, completion=0)
    other = scene.arrive("other", tokens=500)
    assert other.is_held
    assert scene.pass_time(5.1) == [other]


def test_an_agent_that_lost_its_cache_goes_on_if_there_is_room() -> None:
    scene = _scene()
    _parent_with_child(scene)
    scene.arrive("other", tokens=350)
    scene.pass_time(5.1)
    assert scene.gate.footprint_tokens == pytest.approx(450)
    back = scene.arrive("f", tokens=600)
    assert back.is_in_flight
    assert back.promised_tokens == 0  # its cache was not kept, so what is missing now is no loss


def test_an_agent_that_lost_its_cache_waits_like_a_lapsed_session_if_there_is_none() -> None:
    scene = _scene()
    scene.finish(scene.arrive("f", tokens=600), prompt=600, completion=0)
    child = scene.arrive("f", member="child", tokens=100)
    other = scene.arrive("other", tokens=600)
    scene.pass_time(5.1)
    assert other.is_in_flight
    scene.finish(child, prompt=100, completion=0)
    back = scene.arrive("f", tokens=600)
    assert back.is_held
    assert (scene.session("f").state, scene.session("f").has_lapsed) == (SessionState.PAUSED, True)
    scene.finish(other, prompt=600, completion=0)
    assert back.is_held
    assert scene.pass_time(5.1) == [back]


def test_an_agent_that_lost_its_cache_does_not_wait_while_its_family_is_at_the_engine() -> None:
    scene = _scene()
    _parent_with_child(scene)
    scene.arrive("other", tokens=600)
    scene.pass_time(5.1)
    assert scene.arrive("f", tokens=600).is_in_flight


def test_a_family_that_was_paused_needs_room_only_for_those_who_have_requests() -> None:
    scene = _scene()
    senior = scene.arrive("senior", tokens=100)
    scene.finish(scene.arrive("f", tokens=600), prompt=600, completion=0)
    child = scene.arrive("f", member="child", tokens=100)
    scene.finish(senior, prompt=500, completion=0)  # too much: the family pauses when its answers have ended
    second = scene.arrive("f", member="second", tokens=300)
    assert second.is_held
    assert scene.finish(child, prompt=100, completion=0) == [second]
    second_tokens = scene.session("f").members["second"].footprint
    assert scene.gate.footprint_tokens == pytest.approx(500 + second_tokens)


def test_a_family_that_resumes_is_charged_for_those_who_have_requests() -> None:
    scene = _scene()
    scene.finish(scene.arrive("senior", tokens=300), prompt=300, completion=0)
    scene.finish(scene.arrive("f", tokens=600), prompt=600, completion=0)
    scene.gate.resize(math.inf, now=scene.now, budget=Budget(tokens=500, reserve_turns=0.0))
    assert scene.session("f").state is SessionState.PAUSED
    assert scene.arrive("f", member="child", tokens=100).is_in_flight
    assert scene.gate.footprint_tokens == pytest.approx(400)


def test_the_lease_of_waiting_agents_is_learned_apart_from_tool_calls() -> None:
    lease = LearnedLease()
    scene = Scene(window=100.0, lease=lease, ttl_s=10_000.0)
    for number in range(2 * LearnedLease.ENOUGH):
        key = f"f{number}"
        scene.finish(scene.arrive(key, tokens=100), prompt=100, completion=0)
        scene.now += 1.0
        child = scene.arrive(key, member="child", tokens=10)
        scene.now += 300.0
        scene.finish(child, prompt=10, completion=0)
        scene.now += 1.0
        scene.finish(scene.arrive(key, tokens=100), prompt=100, completion=0)
    assert lease.duration_s(Gap.SUB_AGENTS) == 0.0
    assert lease.duration_s(Gap.LATER) > 1.0


def test_the_gaps_of_sub_agents_whose_family_works_are_learned_and_end_when_their_parent_goes_on() -> None:
    lease = LearnedLease()
    scene = Scene(window=100.0, lease=lease, ttl_s=10_000.0)
    for number in range(LearnedLease.ENOUGH):
        key = f"f{number}"
        scene.finish(scene.arrive(key, tokens=100), prompt=100, completion=0)
        other = scene.arrive(key, member="other", tokens=10)
        for _ in range(3):
            scene.finish(scene.arrive(key, member="child", tokens=10), prompt=10, completion=0)
            scene.now += 0.5
        scene.finish(scene.arrive(key, member="child", tokens=10), prompt=10, completion=0)
        scene.finish(other, prompt=10, completion=0)
        scene.arrive(key, tokens=100)
    assert 0.5 < lease.duration_s(Gap.AGENT) < 1.0
    assert lease.return_odds(Gap.AGENT) == pytest.approx(0.75, abs=0.1)
    assert all(member.turn_gap is None for session in scene.gate.sessions for member in session.members.values())


@pytest.mark.parametrize("lease_s", [0.0, 1.0, 100.0])
def test_deep_families_that_do_not_fit_together_all_end(lease_s: float) -> None:
    scene = _scene(300, lease_s=lease_s)
    for step in range(40):
        scene.pass_time(2.0)
        for family in ("a", "b", "c"):
            depth = step % 4
            name, parent = "" if depth == 0 else f"d{depth}", "" if depth < 2 else f"d{depth - 1}"
            ticket = scene.arrive(family, member=name, parent=parent, tokens=200)
            for _ in range(20):
                if not ticket.is_held:
                    break
                scene.pass_time(lease_s + 1.0)
            assert ticket.is_in_flight, (step, family)
            scene.finish(ticket, prompt=200, completion=0)


def test_an_agent_with_another_request_in_flight_is_not_idle() -> None:
    scene = Scene()
    first, second = scene.arrive("a"), scene.arrive("a")
    sub = scene.arrive("a", member="sub")
    scene.finish(first)
    assert scene.gate.next_lapse() is None
    scene.finish(second)
    assert scene.gate.next_lapse() == 5.0
    scene.finish(sub)
