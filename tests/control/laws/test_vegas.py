from dataclasses import asdict

import pytest

from concur_proxy.control.law import DecisionKind
from concur_proxy.control.laws.vegas import VegasOptions, build
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


def test_the_defaults_are_those_that_were_measured() -> None:
    assert asdict(VegasOptions()) == {"alpha": 3.0, "beta": 6.0, "initial": 8.0, "minimum": 1.0, "maximum": 1024.0}


@pytest.mark.parametrize("options", [{"alpha": 0.0}, {"alpha": 6.0}, {"initial": 1.0}, {"initial": 1024.0}])
def test_options_at_their_limits_are_accepted(options: dict[str, float]) -> None:
    assert asdict(build(options)._options).items() >= options.items()


@pytest.mark.parametrize(
    ("queue", "kind"),
    [
        (2.9, DecisionKind.INCREASE),
        (3.0, DecisionKind.HOLD),
        (6.0, DecisionKind.HOLD),
        (6.1, DecisionKind.DECREASE),
    ],
)
def test_a_queue_at_a_threshold_changes_nothing(queue: float, kind: DecisionKind) -> None:
    law = build({"initial": 16})
    law.on_signal(_signal(1.0, active=3))
    decision = law.on_signal(_signal(16 / (16 - queue), active=16))
    assert decision.kind is kind
    assert decision.window == {DecisionKind.INCREASE: 17.0, DecisionKind.HOLD: 16.0, DecisionKind.DECREASE: 15.0}[kind]


def test_the_fastest_answer_so_far_is_the_measure() -> None:
    law = build({"initial": 16})
    for answer_s in (0.03, 0.01, 0.02):
        decision = law.on_signal(_signal(answer_s, active=3))
    assert decision.reason.startswith("latency suggests that 8.0 of the active sessions")
    assert law.on_signal(_signal(0.0)).reason == "no answer ended in this interval"


def test_a_successor_goes_on_with_the_window() -> None:
    law = build({})
    law.resume({"window": 20.0})
    assert law.save() == {"window": 20.0}
    law.resume({})
    assert law.window == 20.0
