"""Families that no client declares: each sub-agent is a session of its own. Its parent keeps a place while it waits for
the sub-agent, and the sub-agent may have to wait for a place. The lease ends that.
"""

import pytest

from concur_proxy.admission.arrival import Arrival
from concur_proxy.admission.gap import Gap
from concur_proxy.admission.learned_lease import LearnedLease
from concur_proxy.admission.lease import FixedLease
from concur_proxy.admission.outcome import Outcome
from concur_proxy.admission.session import SessionState
from concur_proxy.admission.ticket import Ticket
from concur_proxy.recognition.conversations import Conversations
from concur_proxy.recognition.tree import ConversationTree
from concur_proxy.recognition.whereabouts import Whereabouts
from tests.admission.gates import Scene

LEASE_S = 5.0


def _scene(*, window: float = 1.0, lease_s: float = LEASE_S) -> Scene:
    return Scene(window=window, lease=FixedLease(lease_s), work_conserving=False, ttl_s=10_000.0)


def _answer(scene: Scene, key: str, seconds: float = 1.0) -> None:
    """A turn that is admitted at once."""
    ticket = scene.arrive(key)
    assert ticket.is_in_flight
    scene.now += seconds
    scene.finish(ticket)


def _pass_until_admitted(scene: Scene, ticket: Ticket) -> float:
    """Let the gate do what is due until the request is admitted. Returns how long it waited."""
    while ticket.is_held:
        lapse = scene.gate.next_lapse()
        assert lapse is not None, "nothing would ever end its wait"
        scene.pass_time(max(0.0, lapse - scene.now))
    assert ticket.is_in_flight
    return scene.now - ticket.arrived_at


def test_such_a_sub_agent_is_a_session_of_its_own() -> None:
    conversations = Conversations(ConversationTree(), lambda _: None, iter(range(9)).__next__)
    assert conversations.locate(Arrival(key="parent")).session == "parent"
    assert conversations.locate(Arrival(key="child")) == Whereabouts(session="child")


def test_it_waits_no_longer_than_its_parents_lease() -> None:
    scene = _scene()
    _answer(scene, "parent")
    scene.now += 1.0
    child = scene.arrive("child")
    assert child.is_held
    assert _pass_until_admitted(scene, child) == LEASE_S - 1.0
    assert scene.session("parent").state is SessionState.PAUSED


def test_its_parent_waits_no_longer_than_the_lease_of_a_sub_agent_that_has_ended() -> None:
    scene = _scene()
    _answer(scene, "parent")
    child = scene.arrive("child")
    _pass_until_admitted(scene, child)
    scene.finish(child)
    assert _pass_until_admitted(scene, scene.arrive("parent")) == LEASE_S


def test_an_end_that_the_sub_agent_reports_gives_its_place_back_at_once() -> None:
    scene = _scene()
    _answer(scene, "parent")
    child = scene.arrive("child")
    _pass_until_admitted(scene, child)
    scene.finish(child)
    scene.gate.end("child", now=scene.now)
    assert scene.arrive("parent").is_in_flight


def test_agents_that_start_each_other_wait_for_one_lease_each() -> None:
    scene = _scene()
    _answer(scene, "agent 0")
    began = scene.now
    for depth in range(1, 5):
        agent = scene.arrive(f"agent {depth}")
        assert _pass_until_admitted(scene, agent) == LEASE_S
        scene.finish(agent)
    assert scene.now - began == 4 * LEASE_S


def test_parents_that_hold_every_place_let_all_their_sub_agents_through_together() -> None:
    scene = _scene(window=8.0)
    for number in range(8):
        _answer(scene, f"parent {number}", seconds=0.0)
    children = [scene.arrive(f"child {number}") for number in range(8)]
    assert all(child.is_held for child in children)
    assert scene.pass_time(LEASE_S) == children


def test_a_tenants_only_place_goes_round_too() -> None:
    scene = _scene(window=9.0)

    def arrive(key: str) -> Ticket:
        arrival = Arrival(key=key, hold_s=1_000.0, tenant="t", max_active=1)
        return scene.gate.arrive(Whereabouts(session=key), arrival, now=scene.now)[0]

    scene.finish(arrive("parent"))
    child = arrive("child")
    assert child.is_held
    assert scene.pass_time(LEASE_S) == [child]


def test_a_lease_that_an_operator_makes_longer_than_any_wait_refuses_the_sub_agent() -> None:
    scene = _scene(lease_s=1_800.0)
    _answer(scene, "parent")
    child = scene.arrive("child", hold_s=540.0)
    assert scene.pass_time(540.0) == [child]
    assert child.outcome is Outcome.HOLD_TIMEOUT


class TestLearned:
    @staticmethod
    def _scene(tool_s: float) -> tuple[Scene, LearnedLease]:
        """Three agents have had tool calls of this length, so the lease is known. One of them is between two turns."""
        lease = LearnedLease()
        lease.observe_break_even(30.0)
        scene = Scene(window=1.0, lease=lease, work_conserving=False, ttl_s=10_000.0)
        for key in "abc":
            for _ in range(8):
                _answer(scene, key)
                scene.now += tool_s
            scene.gate.end(key, now=scene.now)
        for _ in range(2):
            _answer(scene, "parent")
            scene.now += tool_s
        _answer(scene, "parent")
        return scene, lease

    @pytest.mark.parametrize("tool_s", [0.5, 2.0, 8.0])
    def test_it_waits_about_as_long_as_a_tool_call_takes(self, tool_s: float) -> None:
        scene, lease = self._scene(tool_s)
        assert tool_s <= lease.duration_s(Gap.LATER) <= 1.2 * tool_s + 2 * LearnedLease.SHORTEST_S
        child = scene.arrive("child")
        assert tool_s <= _pass_until_admitted(scene, child) <= 1.2 * tool_s + 2 * LearnedLease.SHORTEST_S

    def test_waits_for_sub_agents_that_take_longer_than_the_cache_is_worth_end_the_lease(self) -> None:
        scene, lease = self._scene(2.0)
        waits = []
        for number in range(120):
            child = scene.arrive(f"child {number}")
            waits.append(_pass_until_admitted(scene, child))
            scene.now += 120.0  # the work of the sub-agent
            scene.finish(child)
            scene.gate.end(f"child {number}", now=scene.now)
            _answer(scene, "parent")
        assert lease.duration_s(Gap.LATER) == 0.0
        assert max(waits) < 3.0
        assert waits[-1] == 0.0
