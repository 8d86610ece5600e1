import math
from typing import Any

import pytest

from concur_proxy.control.law import DecisionKind
from concur_proxy.control.laws.tokens import CUT, IDLE_MAXIMUM, PROBE_GROWTH, Tokens, build
from concur_proxy.control.signal import CongestionSignal

CAPACITY = 10_000
RATE = 1_000.0
"""Prompt tokens computed per second: the whole cache takes ten seconds."""


class _Engine:
    """Makes the signals that a law sees, second by second."""

    def __init__(self) -> None:
        self.now = 0.0

    def signal(
        self,
        *,
        seconds: float = 1.0,
        capacity: int | None = CAPACITY,
        rate: float | None = RATE,
        prefilled: float = 0.0,
        told: int = 0,
        lost: int = 0,
        promised: int = 0,
        hits: float | None = None,
        queued: int = 1,
        footprint: float = 0.0,
        separate: float = 0.0,
        running: int = 1,
        in_flight: int | None = None,
    ) -> CongestionSignal:
        self.now += seconds
        return CongestionSignal(
            now=self.now,
            kv_usage=0.5,
            running=running,
            in_flight=running if in_flight is None else in_flight,
            waiting=0,
            capacity_tokens=capacity,
            prefill_tokens_s=rate,
            prefilled_tokens=prefilled,
            told_tokens=told,
            lost_tokens=lost,
            promised_tokens=promised or told,
            hit_tokens=hits,
            queued_sessions=queued,
            footprint_tokens=footprint,
            separate_tokens=separate,
        )


@pytest.fixture(name="engine")
def _engine() -> _Engine:
    return _Engine()


def _law(engine: _Engine, **options: float) -> Tokens:
    """A law that has seen its first signal, where its clock starts."""
    law = build({"maximum": 1.0, **options})
    law.on_signal(engine.signal())
    return law


def _budget(law: Tokens, signal: CongestionSignal) -> float:
    budget = law.on_signal(signal).budget
    assert budget is not None
    return budget.tokens


def test_the_window_is_a_part_of_the_capacity_and_counts_no_sessions(engine: _Engine) -> None:
    law = build({"factor": 0.8})
    decision = law.on_signal(engine.signal())
    assert decision.window == law.window == math.inf
    assert decision.budget is not None
    assert decision.budget.tokens == pytest.approx(8_000)


def test_nothing_moves_before_every_session_has_come_back_or_the_cache_was_turned_over(engine: _Engine) -> None:
    law = _law(engine, factor=1.0)
    for _ in range(9):
        decision = law.on_signal(engine.signal(seconds=2.0, prefilled=500, told=1_000, lost=400))
        assert decision.kind is DecisionKind.HOLD
    decision = law.on_signal(engine.signal(seconds=2.0, prefilled=500, told=1_000, lost=400))
    assert decision.kind is DecisionKind.DECREASE
    assert decision.budget is not None
    # 4,000 lost tokens took 4 of the 20 s
    assert decision.budget.tokens == pytest.approx(CAPACITY * (1 - 0.2 / 2))
    assert "20 % of engine time was recomputation" in decision.reason
    # the next round starts here
    assert law.on_signal(engine.signal(prefilled=500, told=1_000, lost=400)).kind is DecisionKind.HOLD


def test_what_all_sessions_share_is_covered_when_all_of_them_have_come_back(engine: _Engine) -> None:
    law = build({})
    shared, own, sessions = 4_000, 400, 10
    union, separate = shared + sessions * own, sessions * (shared + own)
    for _ in range(sessions):
        decision = law.on_signal(engine.signal(told=shared + own, footprint=union, separate=separate))
        assert decision.kind is DecisionKind.HOLD
    rest = law.on_signal(engine.signal(told=2 * (shared + own), footprint=union, separate=separate))
    assert rest.kind is DecisionKind.INCREASE  # 9,600 of 10,000 tokens: more than the window of 9,000


def test_the_example_in_the_theory_is_right() -> None:
    law, engine = build({}), _Engine()
    law.on_signal(engine.signal(capacity=60_000))
    decision = law.on_signal(
        engine.signal(seconds=20, capacity=60_000, rate=5_000, told=54_000, lost=20_000, prefilled=30_000)
    )
    assert decision.budget is not None
    assert decision.budget.tokens == pytest.approx(48_600)
    assert decision.reason == "20 % of engine time was recomputation, above the limit of 7 %"


def test_no_cut_is_deeper_than_a_quarter(engine: _Engine) -> None:
    law = _law(engine, factor=1.0)
    decision = law.on_signal(engine.signal(prefilled=CAPACITY, told=CAPACITY, lost=CAPACITY))
    assert decision.budget is not None
    assert decision.budget.tokens == pytest.approx(CAPACITY * CUT)


def test_it_grows_step_by_step_while_sessions_wait_and_nothing_is_lost(engine: _Engine) -> None:
    law = _law(engine, factor=0.9, step=0.05, maximum=1.0)
    assert _budget(law, engine.signal(told=CAPACITY)) == pytest.approx(9_500)
    assert _budget(law, engine.signal(told=CAPACITY)) == pytest.approx(10_000)
    decision = law.on_signal(engine.signal(told=CAPACITY))
    assert decision.kind is DecisionKind.HOLD
    assert "already at its maximum" in decision.reason


def test_a_window_that_nobody_waits_for_does_not_grow(engine: _Engine) -> None:
    law = _law(engine, factor=0.9)
    assert law.on_signal(engine.signal(told=CAPACITY, queued=0)).kind is DecisionKind.HOLD
    assert law.on_signal(engine.signal(running=0, queued=0)).kind is DecisionKind.HOLD


def test_between_the_thresholds_it_holds(engine: _Engine) -> None:
    law = _law(engine, factor=0.9)
    assert law.on_signal(engine.signal(seconds=20.0, told=CAPACITY, lost=1_400, prefilled=1_400)).kind is (
        DecisionKind.HOLD
    )


def test_where_prompts_take_all_the_time_a_larger_batch_is_worth_no_loss(engine: _Engine) -> None:
    """A loss that is acceptable for an engine that mostly decodes is too much for one that only prefills."""
    decoding = _law(engine, factor=1.0)
    assert decoding.on_signal(engine.signal(seconds=20.0, told=CAPACITY, lost=1_600, prefilled=1_600)).kind is (
        DecisionKind.HOLD
    )
    prefilling = _law(engine, factor=1.0)
    assert prefilling.on_signal(engine.signal(seconds=20.0, told=CAPACITY, lost=1_600, prefilled=20_000)).kind is (
        DecisionKind.DECREASE
    )


def test_an_idle_engine_lets_the_window_grow_at_once_and_beyond_the_cache(engine: _Engine) -> None:
    law = _law(engine, factor=1.0, step=0.1)
    assert _budget(law, engine.signal(running=0)) == pytest.approx(11_000)
    for _ in range(100):
        law.on_signal(engine.signal(running=0))
    assert _budget(law, engine.signal()) == pytest.approx(CAPACITY * IDLE_MAXIMUM)


def test_what_an_idle_engine_computes_again_is_no_loss(engine: _Engine) -> None:
    """4 of 20 s are spent on recomputation, and 5 s are idle."""
    law = _law(engine, factor=1.0)
    law.on_signal(engine.signal(seconds=5.0, running=0, queued=0))
    decision = law.on_signal(engine.signal(seconds=15.0, told=CAPACITY, lost=4_000, prefilled=4_000, queued=0))
    assert (decision.kind, decision.reason.startswith("0 % of engine time")) == (DecisionKind.HOLD, True)


def test_a_window_beyond_the_cache_is_cut_as_soon_as_time_is_lost(engine: _Engine) -> None:
    law = _law(engine, factor=1.0, step=1.0)
    assert _budget(law, engine.signal(running=0)) == pytest.approx(2 * CAPACITY)
    after = _budget(law, engine.signal(prefilled=2 * CAPACITY, told=CAPACITY, lost=CAPACITY))
    assert after == pytest.approx(2 * CAPACITY * CUT)


def test_without_cached_tokens_in_answers_the_hit_counter_tells_the_loss(engine: _Engine) -> None:
    law = _law(engine, factor=1.0)
    decision = law.on_signal(engine.signal(seconds=8.0, prefilled=CAPACITY, promised=8_000, hits=4_000.0))
    assert decision.kind is DecisionKind.DECREASE
    assert "50 % of engine time was recomputation" in decision.reason


@pytest.mark.parametrize("unknown", [{"promised": 8_000}, {"told": 8_000, "lost": 8_000, "rate": None}])
def test_where_nothing_tells_a_loss_nothing_moves(engine: _Engine, unknown: dict[str, Any]) -> None:
    law = _law(engine, factor=0.9)
    decision = law.on_signal(engine.signal(prefilled=CAPACITY, **unknown))
    assert (decision.kind, "unknown" in decision.reason) == (DecisionKind.HOLD, True)


def test_it_never_falls_below_its_minimum(engine: _Engine) -> None:
    law = _law(engine, minimum=0.4)
    for _ in range(20):
        law.on_signal(engine.signal(prefilled=CAPACITY, told=CAPACITY, lost=CAPACITY))
    assert _budget(law, engine.signal()) == pytest.approx(4_000)


def test_an_unknown_capacity_is_sought_until_the_first_loss(engine: _Engine) -> None:
    law = build({"maximum": 1.0, "factor": 1.0, "probe_tokens": 1_000})
    assert _budget(law, engine.signal(capacity=None)) == pytest.approx(1_000 * PROBE_GROWTH)
    assert _budget(law, engine.signal(capacity=None, footprint=2_000)) == pytest.approx(2_000 * PROBE_GROWTH)
    assert _budget(law, engine.signal(capacity=None, queued=0)) == pytest.approx(2_000 * PROBE_GROWTH)
    lost = law.on_signal(engine.signal(capacity=None, told=1_000, lost=400))
    assert lost.kind is DecisionKind.DECREASE
    assert _budget(law, engine.signal(capacity=None)) == pytest.approx(2_000 * PROBE_GROWTH * 0.8)


def test_a_refusal_by_the_engine_cuts_once_in_a_while(engine: _Engine) -> None:
    law = build({"maximum": 1.0, "factor": 1.0, "overload_cut": 0.5, "overload_pause_s": 5.0})
    law.on_signal(engine.signal())
    assert law.on_overload(now=0.0).kind is DecisionKind.DECREASE
    assert law.on_overload(now=4.0).kind is DecisionKind.HOLD
    assert _budget(law, engine.signal()) == pytest.approx(5_000)
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


def test_an_engine_that_has_our_requests_is_not_idle_whatever_its_gauges_say() -> None:
    law, engine = build({}), _Engine()
    started = law.on_signal(engine.signal(running=0, in_flight=4))
    for _ in range(20):
        decision = law.on_signal(engine.signal(running=0, in_flight=4))
        assert decision.kind is DecisionKind.HOLD
        assert decision.budget == started.budget
    assert law.on_signal(engine.signal(running=0, in_flight=0)).kind is DecisionKind.INCREASE


def test_a_successor_ignores_learnt_values_that_are_missing_or_out_of_bounds() -> None:
    learnt = {"factor": 0.5, "sought": 5_000.0, "has_lost": 1.0}
    law = build({})
    law.resume(learnt)
    assert law.save() == learnt
    law.resume({"factor": IDLE_MAXIMUM + 0.1, "sought": 0.0})
    law.resume({"factor": 0.0, "sought": math.inf})
    law.resume({})
    assert law.save() == learnt
