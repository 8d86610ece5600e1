import math

from concur_proxy.admission.session import SessionState
from concur_proxy.control.law import Budget
from tests.admission.gates import Scene


def _scene(tokens: float, *, reserve_turns: float = 0.0) -> Scene:
    scene = Scene(window=1.0, work_conserving=False)
    scene.gate.resize(math.inf, now=0.0, budget=Budget(tokens=tokens, reserve_turns=reserve_turns))
    return scene


def test_sessions_are_admitted_by_what_they_weigh() -> None:
    scene = _scene(1_000)
    tickets = [scene.arrive(f"s{number}", tokens=300) for number in range(5)]
    assert [ticket.is_held for ticket in tickets] == [False, False, False, True, True]
    assert scene.gate.snapshot().budget_tokens == 1_000


def test_a_session_larger_than_the_budget_runs_alone() -> None:
    scene = _scene(100)
    first, second = scene.arrive("a", tokens=500), scene.arrive("b", tokens=500)
    assert (first.is_held, second.is_held) == (False, True)
    assert scene.session("a").state is SessionState.ACTIVE


def test_growth_beyond_the_budget_pauses_the_youngest_at_its_step_boundary() -> None:
    scene = _scene(1_000)
    first, second = scene.arrive("a", tokens=400), scene.arrive("b", tokens=400)
    scene.finish(first, prompt=700, completion=100)
    assert scene.session("b").pausing
    assert scene.session("b").state is SessionState.ACTIVE
    scene.finish(second, prompt=400, completion=10)
    assert scene.session("b").state is SessionState.PAUSED
    assert scene.arrive("b").is_held


def test_a_paused_session_comes_back_when_its_weight_fits_again() -> None:
    scene = _scene(1_000)
    first, second = scene.arrive("a", tokens=400), scene.arrive("b", tokens=400)
    scene.finish(first, prompt=700, completion=100)
    scene.finish(second, prompt=400, completion=10)
    held = scene.arrive("b")
    assert scene.gate.end("a", now=0.0) == [held]


def test_a_reserve_is_kept_for_the_next_turn() -> None:
    scene = _scene(1_000, reserve_turns=1.0)
    # of nobody's growth anything is known: each is taken to double
    tickets = [scene.arrive(f"s{number}", tokens=200) for number in range(4)]
    assert [ticket.is_held for ticket in tickets] == [False, False, True, True]


def test_without_a_budget_sessions_are_counted_again() -> None:
    scene = _scene(1_000)
    scene.arrive("a", tokens=900)
    held = scene.arrive("b", tokens=900)
    assert scene.gate.resize(2.0, now=0.0) == [held]
