import math

import pytest

from concur_proxy.control.law import DecisionKind
from concur_proxy.control.laws.tokens import PROBE_GROWTH, Tokens, build
from concur_proxy.control.signal import CongestionSignal

CAPACITY = 10_000


def _signal(
    *,
    capacity: int | None = CAPACITY,
    prefilled: float = 0.0,
    told: int = 0,
    lost: int = 0,
    promised: int = 0,
    hits: float | None = None,
    queued: int = 1,
    footprint: float = 0.0,
) -> CongestionSignal:
    return CongestionSignal(
        now=0.0,
        kv_usage=0.5,
        capacity_tokens=capacity,
        prefilled_tokens=prefilled,
        told_tokens=told,
        lost_tokens=lost,
        promised_tokens=promised,
        hit_tokens=hits,
        queued_sessions=queued,
        footprint_tokens=footprint,
    )


def _budget(law: Tokens, signal: CongestionSignal) -> float:
    budget = law.on_signal(signal).budget
    assert budget is not None
    return budget.tokens


def test_the_window_is_a_part_of_the_capacity_and_counts_no_sessions() -> None:
    law = build({"factor": 0.8})
    decision = law.on_signal(_signal())
    assert decision.window == law.window == math.inf
    assert decision.budget is not None
    assert decision.budget.tokens == pytest.approx(8_000)


def test_nothing_moves_before_the_cache_has_turned_over() -> None:
    law = build({"factor": 1.0})
    for _ in range(9):
        decision = law.on_signal(_signal(prefilled=1_000, told=1_000, lost=900))
        assert decision.kind is DecisionKind.HOLD
    decision = law.on_signal(_signal(prefilled=1_000, told=1_000, lost=900))
    assert decision.kind is DecisionKind.DECREASE
    assert decision.budget is not None
    assert decision.budget.tokens == pytest.approx(CAPACITY * (1 - 0.9 / 2))
    assert "90.0%" in decision.reason
    # and the next turnover is counted from here
    assert law.on_signal(_signal(prefilled=1_000, told=1_000, lost=900)).kind is DecisionKind.HOLD


def test_it_grows_step_by_step_while_sessions_wait_and_nothing_is_lost() -> None:
    law = build({"factor": 0.9, "step": 0.05, "maximum": 1.0})
    turnover = _signal(prefilled=CAPACITY, told=1_000, lost=0)
    assert _budget(law, turnover) == pytest.approx(9_500)
    assert _budget(law, turnover) == pytest.approx(10_000)
    decision = law.on_signal(turnover)
    assert decision.kind is DecisionKind.HOLD
    assert "at its bound" in decision.reason


def test_a_window_that_nobody_waits_for_does_not_grow() -> None:
    law = build({"factor": 0.9})
    assert law.on_signal(_signal(prefilled=CAPACITY, told=1_000, queued=0)).kind is DecisionKind.HOLD


def test_between_the_thresholds_it_holds() -> None:
    law = build({"factor": 0.9})
    assert law.on_signal(_signal(prefilled=CAPACITY, told=1_000, lost=50)).kind is DecisionKind.HOLD


def test_without_cached_tokens_in_answers_the_hit_counter_tells_the_loss() -> None:
    law = build({"factor": 1.0})
    decision = law.on_signal(_signal(prefilled=CAPACITY, promised=8_000, hits=4_000.0))
    assert decision.kind is DecisionKind.DECREASE
    assert "50.0%" in decision.reason


def test_where_nothing_tells_a_loss_nothing_moves() -> None:
    law = build({"factor": 0.9})
    decision = law.on_signal(_signal(prefilled=CAPACITY, promised=8_000))
    assert (decision.kind, "unknown" in decision.reason) == (DecisionKind.HOLD, True)


def test_it_never_falls_below_its_minimum() -> None:
    law = build({"minimum": 0.4})
    for _ in range(20):
        law.on_signal(_signal(prefilled=CAPACITY, told=100, lost=100))
    assert _budget(law, _signal()) == pytest.approx(4_000)


def test_an_unknown_capacity_is_sought_until_the_first_loss() -> None:
    law = build({"factor": 1.0, "probe_tokens": 1_000})
    assert _budget(law, _signal(capacity=None)) == pytest.approx(1_000 * PROBE_GROWTH)
    assert _budget(law, _signal(capacity=None, footprint=2_000)) == pytest.approx(2_000 * PROBE_GROWTH)
    assert _budget(law, _signal(capacity=None, queued=0)) == pytest.approx(2_000 * PROBE_GROWTH)
    lost = law.on_signal(_signal(capacity=None, told=1_000, lost=500))
    assert lost.kind is DecisionKind.DECREASE
    assert _budget(law, _signal(capacity=None)) == pytest.approx(2_000 * PROBE_GROWTH * 0.75)


def test_a_refusal_by_the_engine_cuts_once_in_a_while() -> None:
    law = build({"factor": 1.0, "overload_cut": 0.5, "overload_pause_s": 5.0})
    law.on_signal(_signal())
    assert law.on_overload(now=0.0).kind is DecisionKind.DECREASE
    assert law.on_overload(now=4.0).kind is DecisionKind.HOLD
    assert _budget(law, _signal()) == pytest.approx(5_000)
    assert law.on_overload(now=6.0).kind is DecisionKind.DECREASE


@pytest.mark.parametrize(
    "options",
    [
        {"minimum": 0.0},
        {"factor": 2.0},
        {"maximum": math.inf},
        {"loss_low": 0.5},
        {"step": -1.0},
        {"reserve_turns": -1.0},
        {"probe_tokens": 0.0},
        {"overload_cut": 1.5},
        {"overload_pause_s": -1.0},
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="option"):
        build(options)
