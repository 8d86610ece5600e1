from dataclasses import replace

import pytest

from concur_proxy.admission.arrival import Answered
from concur_proxy.engines.sample import IntervalRates
from concur_proxy.monitoring.signals import SignalMaker, engine_load
from tests.admission.gates import Scene

RATES = IntervalRates(now=5.0, kv_usage=0.5, running=2, waiting=1, capacity_tokens=100, prefill_tokens_s=50.0)


def test_counts_are_the_intervals() -> None:
    scene, maker = Scene(window=2.0), SignalMaker()
    scene.finish(scene.arrive("a"), prompt=1_000, completion=200)
    first = maker.advance(RATES, scene.gate.snapshot())
    assert (first.promised_tokens, first.told_tokens) == (0, 0)
    scene.gate.finish(
        scene.arrive("a"), Answered(prompt_tokens=2_000, completion_tokens=100, cached_tokens=900), now=0.0
    )
    second = maker.advance(replace(RATES, now=6.0), scene.gate.snapshot())
    assert (second.promised_tokens, second.told_tokens, second.lost_tokens) == (1_200, 1_200, 300)
    third = maker.advance(replace(RATES, now=7.0), scene.gate.snapshot())
    assert (third.promised_tokens, third.lost_tokens, third.answer_s) == (0, 0, None)


def test_the_gate_hears_of_the_moment() -> None:
    load = engine_load(RATES)
    assert (load.running, load.waiting, load.kv_usage, load.capacity_tokens, load.prefill_tokens_s) == (
        2,
        1,
        0.5,
        100,
        50,
    )
    assert load.max_model_len is None
    assert engine_load(RATES, 32_768).max_model_len == 32_768


def test_gauges_that_miss_requests_in_flight_are_late() -> None:
    scene, maker = Scene(window=9.0), SignalMaker()
    tickets = [scene.arrive(name) for name in "abcd"]
    scene.gate.observe(None, now=0.0)
    late = maker.advance(RATES, scene.gate.snapshot())
    assert (late.in_flight, late.gauges_are_late) == (4, True)
    scene.finish(tickets[0])
    scene.arrive("e")  # it was not counted at the last reading, so it may still be in flight
    timely = maker.advance(RATES, scene.gate.snapshot())
    assert (timely.in_flight, timely.gauges_are_late) == (4, False)
    unknown = maker.advance(replace(RATES, waiting=None), scene.gate.snapshot())
    assert not unknown.gauges_are_late


@pytest.mark.parametrize(
    ("reason", "is_overfull", "gives_way"),
    [("lease", False, True), ("no_returns", True, True), (None, True, True), (None, False, False)],
)
def test_the_law_hears_whether_the_gate_admits_everybody_or_has_done_so_just_before(
    reason: str | None, *, is_overfull: bool, gives_way: bool
) -> None:
    shown = replace(Scene(window=2.0).gate.snapshot(), gives_way=reason, is_overfull=is_overfull)
    assert SignalMaker().advance(RATES, shown).gives_way is gives_way
