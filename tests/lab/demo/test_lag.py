import pytest

from concur_proxy.lab.demo.fleet import Progress
from concur_proxy.lab.demo.lag import LOWEST_SCALE, TOLERANCE, Lag, LagMeter, least_turn_s, lower_scale
from concur_proxy.lab.demo.options import DemoOptions


def test_a_small_lag_is_no_problem() -> None:
    assert Lag(engine=TOLERANCE, turns=TOLERANCE).problem is None
    assert Lag(engine=None, turns=0.01).problem is None


def test_each_lag_that_is_too_large_is_named() -> None:
    slow_engine, slow_turns = Lag(engine=0.31, turns=0.01), Lag(engine=None, turns=0.2)
    assert slow_engine.problem == "the emulated engine's steps took 31 % too long"
    assert slow_turns.problem == "agents and gateway made each turn 20 % too long"
    assert "31 %" in (problem := Lag(engine=0.31, turns=0.2).problem or "")
    assert "20 %" in problem


def test_the_time_scale_is_lowered_in_proportion_to_the_lag() -> None:
    assert lower_scale(12.0, first=12.0, lag=Lag(engine=TOLERANCE * 1.2, turns=0.0)) == 8.0
    assert lower_scale(12.0, first=12.0, lag=Lag(engine=TOLERANCE * 1.9, turns=0.0)) == 6.0


def test_one_try_at_most_halves_the_time_scale() -> None:
    assert lower_scale(12.0, first=12.0, lag=Lag(engine=3.0, turns=0.0)) == 6.0
    assert lower_scale(6.0, first=12.0, lag=Lag(engine=0.0, turns=3.0)) == 3.0


def test_the_time_scale_has_a_lowest_value() -> None:
    scale: float | None = 12.0
    tried = []
    while scale is not None:
        tried.append(scale)
        scale = lower_scale(scale, first=12.0, lag=Lag(engine=1.0, turns=0.0))
    assert tried == [12.0, 6.0, 3.0, LOWEST_SCALE]
    assert lower_scale(1.0, first=1.0, lag=Lag(engine=1.0, turns=0.0)) is None


def test_late_tool_calls_are_lag_in_proportion_to_a_turn() -> None:
    options = DemoOptions()
    progress = Progress(total_turns=10, tools_late_s=[0.0, 0.1])
    lag = LagMeter(options, 12.0, progress).lag
    assert lag.turns == pytest.approx(0.05 * 12.0 / least_turn_s(options))
    assert lag.engine is None


def test_the_shortest_turn_is_a_tool_call_and_an_answer_on_an_idle_engine() -> None:
    assert least_turn_s(DemoOptions()) == pytest.approx(4.25 + 40 * 0.02025)
    assert least_turn_s(DemoOptions(engine="http://gpu:8000")) == 4.25
