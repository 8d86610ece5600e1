import pytest

from concur_proxy.control.law import DecisionKind
from concur_proxy.control.laws.vegas import build
from concur_proxy.control.signal import CongestionSignal


def _signal(answer_s: float | None, *, active: int = 8) -> CongestionSignal:
    return CongestionSignal(now=0.0, answer_s=answer_s, active_sessions=active)


def test_it_grows_while_answers_are_as_fast_as_ever_and_the_window_is_full() -> None:
    law = build({"initial": 8})
    assert law.on_signal(_signal(0.01)).kind is DecisionKind.INCREASE
    assert law.window == 9.0
    assert law.on_signal(_signal(0.01, active=8)).kind is DecisionKind.HOLD


def test_it_shrinks_when_too_many_only_wait_for_each_other() -> None:
    law = build({"initial": 16})
    law.on_signal(_signal(0.01, active=3))
    assert law.on_signal(_signal(0.02, active=16)).kind is DecisionKind.DECREASE
    assert law.window == 15.0


def test_it_holds_in_between_and_without_an_answer() -> None:
    law = build({"initial": 16})
    law.on_signal(_signal(0.01, active=3))
    assert law.on_signal(_signal(0.01 / (1 - 4 / 16), active=16)).kind is DecisionKind.HOLD
    assert law.on_signal(_signal(None)).kind is DecisionKind.HOLD


def test_a_refusal_by_the_engine_costs_a_session() -> None:
    law = build({"initial": 2})
    assert law.on_overload(now=0.0).window == 1.0
    assert law.on_overload(now=1.0).kind is DecisionKind.HOLD


@pytest.mark.parametrize("options", [{"alpha": 7.0}, {"minimum": 0.0}, {"initial": 2000.0}])
def test_options_that_make_no_sense_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="options must keep"):
        build(options)
