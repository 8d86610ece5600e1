import math
from dataclasses import asdict
from typing import Any

import pytest

from concur_proxy.control.law import DecisionKind
from concur_proxy.control.laws.tokens import (
    CHEAP,
    CHEAP_MAXIMUM,
    IDLE_MAXIMUM,
    Tokens,
    TokensOptions,
    build,
)
from concur_proxy.control.second_cache import RELOAD_FAST, RELOAD_GROWTH, TRIAL_GROWTH
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
        waiting: int = 0,
        in_flight: int | None = None,
        gives_way: bool = False,
        reloaded: float | None = None,
        reload_rate: float | None = None,
        kv_usage: float = 0.5,
    ) -> CongestionSignal:
        self.now += seconds
        return CongestionSignal(
            now=self.now,
            kv_usage=kv_usage,
            running=running,
            in_flight=running if in_flight is None else in_flight,
            waiting=waiting,
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
            gives_way=gives_way,
            reloaded_tokens=reloaded,
            reload_tokens_s=reload_rate,
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
    assert decision.budget.tokens == pytest.approx(7_500)


@pytest.mark.parametrize("factor", [0.6, 0.93])
def test_a_window_that_is_computed_in_no_time_may_be_larger_than_the_cache(engine: _Engine, factor: float) -> None:
    """Computing it takes a tenth of CHEAP."""
    law = _law(engine, factor=factor, maximum=0.93)
    signal = engine.signal(seconds=factor * CAPACITY / RATE / (0.1 * CHEAP), told=CAPACITY)
    assert _budget(law, signal) == pytest.approx(CAPACITY * (CHEAP_MAXIMUM - 0.1 * (CHEAP_MAXIMUM - 0.93)))


@pytest.mark.parametrize("seconds", [9.3, 46.5])
def test_a_window_that_is_computed_in_a_fifth_of_the_time_is_not_cheap(engine: _Engine, seconds: float) -> None:
    law = _law(engine, factor=0.93, maximum=0.93)
    assert _budget(law, engine.signal(seconds=seconds, told=CAPACITY)) == pytest.approx(9_300)


def test_idle_time_does_not_make_a_window_cheap(engine: _Engine) -> None:
    law = _law(engine, factor=0.93, maximum=0.93)
    law.on_signal(engine.signal(seconds=400.0, running=0, queued=0))
    assert _budget(law, engine.signal(seconds=20.0, told=CAPACITY)) == pytest.approx(9_300)


def test_a_cheap_window_is_lowered_too_if_much_is_lost(engine: _Engine) -> None:
    law = _law(engine)
    lost = engine.signal(seconds=60.0, told=2 * CAPACITY, lost=CAPACITY, prefilled=CAPACITY)
    assert law.on_signal(lost).kind is DecisionKind.DECREASE


def test_where_reloading_is_fast_the_window_grows_beyond_the_engines_cache(engine: _Engine) -> None:
    law = _law(engine, factor=0.9)
    fast: dict[str, Any] = {"reloaded": 500.0, "reload_rate": 1.01 * RELOAD_FAST * RATE}
    assert _budget(law, engine.signal(told=CAPACITY, **fast)) == pytest.approx(9_000 * RELOAD_GROWTH)
    for _ in range(20):
        largest = _budget(law, engine.signal(told=5 * CAPACITY, **fast))
    assert largest == IDLE_MAXIMUM * CAPACITY
    lost = engine.signal(seconds=60.0, told=5 * CAPACITY, lost=4 * CAPACITY, prefilled=4 * CAPACITY, **fast)
    assert law.on_signal(lost).kind is DecisionKind.DECREASE


@pytest.mark.parametrize(
    "reloads", [{}, {"reloaded": 500.0, "reload_rate": RELOAD_FAST * RATE}, {"reloaded": 0.0, "reload_rate": 1e6}]
)
def test_where_little_is_reloaded_or_slowly_the_window_grows_by_a_step(
    engine: _Engine, reloads: dict[str, Any]
) -> None:
    law = _law(engine, factor=0.9, step=0.05)
    assert _budget(law, engine.signal(told=CAPACITY, **reloads)) == pytest.approx(9_500)


def test_a_window_that_serves_less_beyond_the_engines_cache_goes_back_before_its_round_ends(engine: _Engine) -> None:
    law = _law(engine, factor=0.9)
    idle: dict[str, Any] = {"kv_usage": 0.1, "reloaded": 500.0, "seconds": 4.0}
    assert _budget(law, engine.signal(told=CAPACITY, hits=CAPACITY, **idle)) == pytest.approx(9_000 * TRIAL_GROWTH)
    decision = law.on_signal(engine.signal(told=CAPACITY // 2, hits=CAPACITY // 2, **idle))
    assert decision.kind is DecisionKind.DECREASE
    assert decision.budget is not None
    assert decision.budget.tokens == pytest.approx(9_000)
    assert "less was served" in decision.reason
    # a round begins, and this way to raise the window is closed for now
    assert law.on_signal(engine.signal(told=CAPACITY // 2, hits=CAPACITY // 2, **idle)).kind is DecisionKind.HOLD
    assert _budget(law, engine.signal(told=CAPACITY, hits=CAPACITY, **idle)) == pytest.approx(9_300)


def test_a_window_whose_contexts_are_lost_beyond_the_engines_cache_is_lowered_as_usual(engine: _Engine) -> None:
    law = _law(engine, factor=0.9)
    idle: dict[str, Any] = {"kv_usage": 0.1, "reloaded": 500.0}
    trial = engine.signal(seconds=4.0, told=CAPACITY, hits=CAPACITY, **idle)
    assert _budget(law, trial) == pytest.approx(9_000 * TRIAL_GROWTH)
    lost = engine.signal(told=2 * CAPACITY, lost=500, prefilled=500, hits=CAPACITY, **idle)
    assert law.on_signal(lost).kind is DecisionKind.DECREASE
    # no trial runs any longer, so nothing can fail
    assert law.on_signal(engine.signal(seconds=9.0, told=100, hits=100, **idle)).kind is DecisionKind.HOLD


@pytest.mark.parametrize("other", ["overload", "gives_way", "resume"])
def test_a_trial_ends_when_something_else_moves_the_window(engine: _Engine, other: str) -> None:
    law = _law(engine, factor=0.9)
    idle: dict[str, Any] = {"kv_usage": 0.1, "reloaded": 500.0}
    trial = engine.signal(seconds=4.0, told=CAPACITY, hits=CAPACITY, **idle)
    assert _budget(law, trial) == pytest.approx(9_000 * TRIAL_GROWTH)
    if other == "overload":
        law.on_overload(now=engine.now)
    elif other == "resume":
        law.resume({})
    else:
        law.on_signal(engine.signal(gives_way=True))
    assert law.on_signal(engine.signal(seconds=9.0, told=100, hits=100, **idle)).kind is DecisionKind.HOLD


def test_a_window_without_a_step_is_not_raised_where_it_is_cheap(engine: _Engine) -> None:
    law = _law(engine, factor=0.9, step=0.0)
    assert _budget(law, engine.signal(seconds=1000.0, told=CAPACITY)) == pytest.approx(9_000)


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


def test_a_window_that_nobody_has_to_wait_for_is_unchanged_and_a_round_begins_after_it(engine: _Engine) -> None:
    law = _law(engine, factor=0.9)
    for _ in range(3):
        decision = law.on_signal(
            engine.signal(prefilled=CAPACITY, told=CAPACITY, lost=CAPACITY, gives_way=True, queued=0)
        )
        assert (decision.kind, decision.reason) == (DecisionKind.HOLD, "nobody waits for the window at present")
        assert decision.budget is not None
        assert decision.budget.tokens == pytest.approx(9_000)
    assert "not enough traffic yet" in law.on_signal(engine.signal(told=CAPACITY - 2_000)).reason
    assert law.on_signal(engine.signal(told=2_000)).kind is DecisionKind.INCREASE


def test_the_size_of_a_cache_is_not_searched_for_while_nobody_has_to_wait(engine: _Engine) -> None:
    law = build({"probe_tokens": 1_000.0, "factor": 1.0, "maximum": 1.0})
    lost = engine.signal(capacity=None, told=CAPACITY, lost=CAPACITY, prefilled=CAPACITY, gives_way=True, queued=0)
    assert _budget(law, lost) == 1_000
    assert _budget(law, engine.signal(capacity=None, told=100)) == pytest.approx(1_100)


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
    assert _budget(law, engine.signal()) == pytest.approx(40_000)


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
    assert after == pytest.approx(15_000)


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
    assert _budget(law, engine.signal(capacity=None)) == pytest.approx(1_100)
    assert _budget(law, engine.signal(capacity=None, footprint=2_000)) == pytest.approx(2_200)
    assert _budget(law, engine.signal(capacity=None, queued=0)) == pytest.approx(2_200)
    lost = law.on_signal(engine.signal(capacity=None, told=1_000, lost=400))
    assert lost.kind is DecisionKind.DECREASE
    assert _budget(law, engine.signal(capacity=None)) == pytest.approx(2_200 * 0.8)


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


def test_the_defaults_are_those_that_were_measured() -> None:
    assert asdict(TokensOptions()) == {
        "factor": 0.9,
        "minimum": 0.3,
        "maximum": 0.93,
        "step": 0.03,
        "loss_low": 0.04,
        "loss_high": 0.1,
        "reserve_turns": 0.3,
        "probe_tokens": 32_768.0,
        "overload_cut": 0.8,
        "overload_pause_s": 5.0,
    }


@pytest.mark.parametrize(
    "options",
    [
        {"minimum": 0.5, "factor": 0.5, "maximum": 0.5},
        {"loss_low": 0.0, "loss_high": 0.0},
        {"loss_low": 1.0, "loss_high": 1.0},
        {"step": 0.0},
        {"reserve_turns": 0.0},
        {"probe_tokens": 1.0},
        {"overload_cut": 1.0},
        {"overload_pause_s": 0.0},
    ],
)
def test_options_at_their_limits_are_accepted(options: dict[str, float]) -> None:
    assert asdict(build(options)._options).items() >= options.items()


@pytest.mark.parametrize(
    "options",
    [{"minimum": 0.95}, {"loss_high": 1.5}, {"loss_low": -0.1}, {"probe_tokens": math.inf}, {"overload_cut": 0}],
)
def test_options_just_beyond_their_limits_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="option"):
        build(options)


@pytest.mark.parametrize("queued", [0, 1])
@pytest.mark.parametrize(
    ("lost", "kind"),
    [(249, DecisionKind.INCREASE), (250, DecisionKind.HOLD), (500, DecisionKind.HOLD), (501, DecisionKind.DECREASE)],
)
def test_a_loss_at_a_threshold_changes_nothing(engine: _Engine, lost: int, kind: DecisionKind, queued: int) -> None:
    # prompts take half of 16 s, so the thresholds are halved: 1/64 and 1/32 of the time
    law = _law(engine, factor=0.8, loss_low=1 / 32, loss_high=1 / 16)
    decision = law.on_signal(engine.signal(seconds=16.0, prefilled=8_000, told=8_000, lost=lost, queued=queued))
    assert decision.kind is (DecisionKind.HOLD if kind is DecisionKind.INCREASE and not queued else kind)
    if decision.kind is DecisionKind.HOLD:
        assert decision.reason.endswith("but no session waited" if lost == 249 else "at most 3.1 %")


def test_a_round_that_was_judged_is_over_even_if_its_loss_is_unknown(engine: _Engine) -> None:
    law = _law(engine, factor=0.9)
    assert "unknown" in law.on_signal(engine.signal(prefilled=CAPACITY)).reason
    assert "not enough traffic yet" in law.on_signal(engine.signal(told=10)).reason


def test_the_loss_so_far_is_shown_while_there_is_not_enough_traffic(engine: _Engine) -> None:
    law = _law(engine)
    assert law.on_signal(engine.signal()).reason == "not enough traffic yet to judge"
    reason = law.on_signal(engine.signal(told=1_000, lost=1_000, prefilled=1_000)).reason
    assert reason == "not enough traffic yet to judge; 50 % of engine time was recomputation"


def test_no_more_can_be_lost_than_was_computed(engine: _Engine) -> None:
    law = _law(engine, factor=1.0)
    decision = law.on_signal(engine.signal(seconds=20.0, promised=40_000, told=10_000, lost=10_000, prefilled=4_000))
    assert decision.reason.startswith("20 % of engine time")


def test_hits_are_summed_and_more_hits_than_promises_are_no_loss(engine: _Engine) -> None:
    law = _law(engine, factor=1.0)
    law.on_signal(engine.signal(seconds=4.0, promised=4_000, hits=1_000.0, prefilled=5_000))
    assert law._round.share_lost == pytest.approx(0.75)
    law.on_signal(engine.signal(seconds=4.0, promised=0, hits=2_000.0))
    assert law._round.share_lost == pytest.approx(0.25)
    law.on_signal(engine.signal(seconds=4.0, hits=9_000.0))
    assert law._round.share_lost == 0.0
    law.on_signal(engine.signal(told=1, lost=1))
    assert law._round.share_lost == 1.0  # what answers say counts more than hits


def test_an_engine_whose_own_queue_is_not_empty_is_not_idle(engine: _Engine) -> None:
    law = _law(engine, factor=0.5)
    assert law.on_signal(engine.signal(running=0, waiting=1)).kind is DecisionKind.HOLD
    assert law.on_signal(engine.signal(running=0)).kind is DecisionKind.INCREASE


def test_a_window_that_an_idle_engine_has_raised_is_not_lowered_without_a_loss(engine: _Engine) -> None:
    law = _law(engine, factor=0.9, maximum=1.0, step=0.5)
    assert _budget(law, engine.signal(running=0)) == pytest.approx(14_000)
    decision = law.on_signal(engine.signal(told=2 * CAPACITY))
    assert decision.kind is DecisionKind.HOLD
    assert decision.reason.endswith("sessions waited; the window is already at its maximum")
    assert decision.budget is not None
    assert decision.budget.tokens == pytest.approx(14_000)


def test_a_window_at_its_minimum_says_so(engine: _Engine) -> None:
    law = _law(engine, factor=0.3)
    decision = law.on_signal(engine.signal(prefilled=CAPACITY, told=CAPACITY, lost=CAPACITY))
    assert decision.kind is DecisionKind.HOLD
    assert decision.reason.endswith("the window is already at its minimum")


def test_a_refusal_before_the_first_signal_limits_nobody_yet(engine: _Engine) -> None:
    law = build({"factor": 0.8, "overload_cut": 0.5})
    decision = law.on_overload(now=0.0)
    assert (decision.kind, decision.window, decision.budget) == (DecisionKind.HOLD, math.inf, None)
    assert decision.reason == "the engine refused a request; no signal has come yet"
    assert _budget(law, engine.signal()) == pytest.approx(4_000)


def test_the_pause_between_two_refusals_ends_on_time(engine: _Engine) -> None:
    law = _law(engine)
    kinds = [law.on_overload(now=now).kind for now in (0.0, 4.9, 5.0, 9.9)]
    assert kinds == [DecisionKind.DECREASE, DecisionKind.HOLD, DecisionKind.DECREASE, DecisionKind.HOLD]


def test_a_small_loss_does_not_end_the_search_for_the_capacity(engine: _Engine) -> None:
    law = build({"maximum": 1.0, "factor": 1.0, "probe_tokens": 1_000})
    assert law.on_signal(engine.signal(capacity=None, told=100, lost=8)).kind is DecisionKind.INCREASE
    idle = law.on_signal(engine.signal(capacity=None, told=100, lost=8, queued=0))
    assert (idle.kind, "not known yet" in idle.reason) == (DecisionKind.HOLD, True)
    found = law.on_signal(engine.signal(capacity=None, told=100, lost=9))
    assert (found.kind, "so the cache is full" in found.reason) == (DecisionKind.DECREASE, True)
    assert found.budget is not None
    assert found.budget.tokens == pytest.approx(1_100 * (1 - 25 / 300 / 2))
    # from now on it is judged by rounds, and the capacity stays
    assert "not enough traffic" in law.on_signal(engine.signal(capacity=None, told=800)).reason
    assert law.save() == {"factor": pytest.approx(1 - 25 / 300 / 2), "sought": pytest.approx(1_100), "has_lost": 1.0}


def test_the_search_cuts_no_deeper_than_a_quarter(engine: _Engine) -> None:
    law = build({"maximum": 1.0, "factor": 1.0, "probe_tokens": 1_000})
    assert _budget(law, engine.signal(capacity=None, told=100, lost=100)) == pytest.approx(750)


def test_a_successor_takes_learnt_values_at_their_limits_and_begins_a_round(engine: _Engine) -> None:
    law = _law(engine)
    law.on_signal(engine.signal(told=5_000))
    for learnt in ({"factor": 0.3, "sought": 1.0}, {"factor": IDLE_MAXIMUM, "sought": 9.0}):
        law.resume(learnt)
        assert law.save() == {**learnt, "has_lost": 0.0}
    law.resume({"factor": 0.5})
    assert law.on_signal(engine.signal(told=4_900)).reason.startswith("not enough traffic")


def test_an_engine_without_a_prefill_rate_spends_no_known_time_on_prompts(engine: _Engine) -> None:
    law = _law(engine)
    assert law._round.time_prefilling(None) == 0.0
    law.on_signal(engine.signal(seconds=3.0, prefilled=2_000))
    assert law._round.time_prefilling(RATE) == pytest.approx(2 / 3)
    assert law._round.time_prefilling(1.0) == 1.0
