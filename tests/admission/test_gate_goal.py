"""A goal in the gate: requests that have waited for as long as it allows are let through for one answer."""

import math

import pytest

from concur_proxy.admission.arrival import Arrival
from concur_proxy.admission.gate import SessionGate
from concur_proxy.admission.gate_state import GateOptions
from concur_proxy.admission.goal import Goal
from concur_proxy.admission.lease import FixedLease
from concur_proxy.admission.limits import EngineLoad
from concur_proxy.admission.session import SessionState
from concur_proxy.control.law import Budget
from concur_proxy.recognition.conversations import Whereabouts
from tests.admission.gates import HOLD_S, Scene, body_of

CACHE = 1_000
SIZE = 400.0
"""Tokens of each session: two fit."""


def crowded(goal: Goal, target_s: float | None = None, *, sessions: int = 6, tenant_places: int | None = None) -> Scene:
    """A gate whose cache holds two of these sessions. The first ones have a request in flight, the others wait."""
    scene = Scene()
    options = GateOptions(work_conserving=False, goal=goal, first_token_target_s=target_s)
    scene.gate = SessionGate(options=options, lease=FixedLease(3600.0), window=1.0, engine="e")
    scene.gate.observe(EngineLoad(running=1, waiting=1, kv_usage=0.5, capacity_tokens=CACHE), now=0.0)
    scene.gate.resize(math.inf, now=0.0, budget=Budget(tokens=900.0, reserve_turns=0.0))
    scene.gate.accounts.engine_prefill_tokens_s = 1_000.0
    for number in range(sessions):
        arrival = Arrival(
            key=f"s{number}", body_bytes=body_of(SIZE), hold_s=HOLD_S, tenant="t", max_active=tenant_places
        )
        scene.gate.arrive(Whereabouts(session=f"s{number}"), arrival, now=0.0)
    return scene


def active(scene: Scene) -> int:
    return scene.gate.active


def test_throughput_lets_nobody_through() -> None:
    scene = crowded(Goal.THROUGHPUT)
    assert active(scene) == 2
    assert scene.pass_time(900.0) == []


def test_a_request_that_has_waited_for_the_target_is_let_through_for_one_answer() -> None:
    scene = crowded(Goal.FIRST_TOKEN, 20.0)
    waiting = scene.gate.waiting
    assert waiting > 0
    assert scene.gate.next_deadline() == pytest.approx(20.0)
    decided = scene.pass_time(20.0)
    ticket = decided[0]
    assert scene.gate.counters["admit", "goal"] >= 1
    scene.finish(ticket, prompt=400, completion=10)
    assert ticket.session.state is SessionState.PAUSED, "it was let through for one answer only"
    again = scene.arrive(ticket.session.key, tokens=SIZE)
    assert again.is_held
