import math
from collections.abc import Mapping

import pytest

from concur_proxy.control.governor import GovernorOptions, WindowGovernor
from concur_proxy.control.law import ControlLaw, Decision, DecisionKind
from concur_proxy.control.laws import aimd, static, tokens
from concur_proxy.control.phrasing import describe
from concur_proxy.control.signal import CongestionSignal

OPTIONS = GovernorOptions(stale_after_s=5.0, fail_open_after_s=15.0, fallback_window=100.0)


class BadLaw:
    """The law of a plug-in, which fails or returns a bad window."""

    enforces = True
    window = 8.0

    def __init__(self, *, window: float | None = None) -> None:
        self._next = window

    def on_signal(self, signal: CongestionSignal) -> Decision:  # noqa: ARG002 - the interface's argument
        return self._answer()

    def on_overload(self, *, now: float) -> Decision:  # noqa: ARG002 - the interface's argument
        return self._answer()

    def save(self) -> dict[str, float]:
        raise ZeroDivisionError

    def resume(self, state: Mapping[str, float]) -> None:
        raise KeyError(*state)

    def _answer(self) -> Decision:
        if self._next is None:
            raise ZeroDivisionError("float division by zero")
        return Decision(kind=DecisionKind.DECREASE, window=self._next, reason="bad")


def _governor(law: ControlLaw | None = None) -> WindowGovernor:
    return WindowGovernor(law=law or aimd.build({"initial": 8}), options=OPTIONS, now=0.0)


def _signal(now: float, *, u: float | None = 0.1, h: float | None = 0.9) -> CongestionSignal:
    return CongestionSignal(now=now, kv_usage=u, hit_rate=h, active_sessions=1_000)


def test_before_the_first_signal_the_laws_window_is_in_force() -> None:
    governor = _governor()
    assert (governor.window, governor.has_heard, governor.is_stale(now=0.0)) == (8.0, False, True)


def test_a_signal_moves_the_window() -> None:
    governor = _governor()
    decision = governor.on_signal(_signal(1.0))
    assert (decision.kind, governor.window) == (DecisionKind.INCREASE, 10.0)
    assert (governor.has_heard, governor.is_stale(now=6.0), governor.is_stale(now=6.1)) == (True, False, True)
    assert governor.signal_age_s(now=6.0) == 5.0


def test_silence_holds_then_freezes_then_opens() -> None:
    governor = _governor()
    governor.on_signal(_signal(1.0))
    expected = [
        (6.0, DecisionKind.HOLD, 10.0),
        (6.1, DecisionKind.FREEZE, 10.0),
        (16.0, DecisionKind.FREEZE, 10.0),
        (16.1, DecisionKind.FALLBACK, 100.0),
    ]
    for now, kind, window in expected:
        decision = governor.on_silence(now=now, reason="timed out")
        assert (decision.kind, decision.window, governor.window) == (kind, window, window)
        assert "timed out" in decision.reason


def test_an_engine_that_never_says_anything_is_served_under_the_fixed_window() -> None:
    governor = _governor()
    assert governor.on_silence(now=15.1, reason="not found").kind is DecisionKind.FALLBACK
    assert governor.window == 100.0


def test_a_signal_without_usage_is_as_good_as_none() -> None:
    governor = _governor()
    governor.on_signal(_signal(1.0))
    decision = governor.on_signal(_signal(20.0, u=None))
    assert decision.kind is DecisionKind.FALLBACK
    assert "the engine's metrics have no KV cache usage" in decision.reason
    assert governor.signal_age_s(now=20.0) == 19.0


def test_the_laws_window_is_back_with_the_first_signal() -> None:
    governor = _governor()
    governor.on_silence(now=20.0, reason="gone")
    decision = governor.on_signal(_signal(21.0, u=0.3))
    assert (decision.kind, governor.window) == (DecisionKind.HOLD, 8.0)


def test_an_overload_cuts_the_window_while_signals_are_fresh_or_frozen() -> None:
    governor = _governor()
    governor.on_signal(_signal(1.0, u=0.3))
    assert governor.on_overload(now=14.0).kind is DecisionKind.DECREASE
    assert governor.window == 4.0


def test_an_overload_without_signals_does_not_undo_the_fixed_window() -> None:
    governor = _governor()
    governor.on_silence(now=20.0, reason="gone")
    decision = governor.on_overload(now=20.5)
    assert (decision.kind, governor.window) == (DecisionKind.FALLBACK, 100.0)
    assert "the engine refused a request" in decision.reason
    # The law remembers the refusal: when signals are back, its window is half of what it was.
    governor.on_signal(_signal(21.0, u=0.3))
    assert governor.window == 4.0


def test_a_law_that_raises_costs_the_fixed_window_and_nothing_else() -> None:
    for decision in (_governor(BadLaw()).on_signal(_signal(1.0)), _governor(BadLaw()).on_overload(now=1.0)):
        assert (decision.kind, decision.window) == (DecisionKind.FALLBACK, 100.0)
        assert decision.reason == "the control law failed (ZeroDivisionError: float division by zero)"


@pytest.mark.parametrize("window", [0.0, 0.9, -5.0, math.nan])
def test_a_law_whose_window_would_admit_nobody_is_overruled(window: float) -> None:
    governor = _governor(BadLaw(window=window))
    assert governor.on_signal(_signal(1.0)).kind is DecisionKind.FALLBACK
    assert governor.window == 100.0
    assert governor.on_overload(now=1.0).kind is DecisionKind.FALLBACK


def test_a_fixed_cap_stays_while_signals_come() -> None:
    governor = _governor(static.build({"window": 3}))
    for now in range(1, 100):
        governor.on_signal(_signal(float(now)))
    assert governor.window == 3.0


def test_a_window_that_a_person_has_set_outlives_a_change_of_process() -> None:
    governor = _governor()
    governor.set_manual(5.0, None)
    governor.resume({}, window=9.0, budget=None, now=1.0)
    assert (governor.window, governor.is_manual) == (5.0, True)
    governor.release()
    governor.resume({}, window=9.0, budget=None, now=1.0)
    assert governor.window == 9.0


def test_a_token_budget_stays_in_force_and_is_reported_while_signals_are_missing() -> None:
    governor = _governor(tokens.build({"factor": 0.5}))
    governor.on_signal(CongestionSignal(now=1.0, kv_usage=0.1, capacity_tokens=1_000))
    decision = governor.on_silence(now=7.0, reason="timed out")
    assert (decision.kind, decision.budget) == (DecisionKind.FREEZE, governor.budget)
    assert describe(decision, 1_000) == "window unchanged (500 of 1k cache tokens): cannot read metrics (timed out)"


def test_what_a_law_has_learnt_goes_to_another_process() -> None:
    governor, successor = _governor(tokens.build({})), _governor(tokens.build({}))
    governor.on_signal(CongestionSignal(now=1.0, kv_usage=0.1, capacity_tokens=1_000))
    assert governor.on_overload(now=2.0).kind is DecisionKind.DECREASE
    assert governor.save() != successor.save()
    successor.resume(governor.save(), window=7.0, budget=None, now=20.0)
    assert successor.save() == governor.save()
    assert (successor.window, successor.has_heard, successor.signal_age_s(now=21.0)) == (7.0, False, 1.0)


def test_a_law_that_cannot_save_only_keeps_the_window() -> None:
    governor = _governor(BadLaw())
    assert governor.save() == {}
    governor.resume({"factor": 0.5}, window=3.0, budget=None, now=1.0)
    assert governor.window == 3.0


def test_neither_a_refusal_nor_silence_changes_a_window_that_an_operator_has_set() -> None:
    governor = _governor()
    governor.set_manual(5.0, None)
    for decision in (
        governor.on_overload(now=1.0),
        governor.on_silence(now=99.0, reason="connection refused"),
        governor.on_signal(_signal(100.0)),
    ):
        assert (decision.kind, decision.window, decision.reason) == (DecisionKind.FREEZE, 5.0, "set manually")
    governor.release()
    assert governor.on_signal(_signal(101.0)).window != 5.0


class WrongLaw(BadLaw):
    """The law of a plug-in that returns something else than a decision."""

    def _answer(self) -> Decision:
        return {"window": 3}  # type: ignore[return-value]


def test_what_is_no_decision_counts_as_a_failure_of_the_law() -> None:
    governor = _governor(WrongLaw())
    for decision in (governor.on_signal(_signal(1.0)), governor.on_overload(now=2.0), governor.on_overload(now=99.0)):
        assert (decision.kind, governor.window) == (DecisionKind.FALLBACK, 100.0)
    assert governor.on_signal(_signal(100.0)).reason == (
        "the control law failed (TypeError: it returned dict instead of a Decision)"
    )


def test_a_law_whose_state_cannot_move_learns_anew() -> None:
    governor = _governor(WrongLaw())
    assert governor.save() == {}
    governor.resume({"window": 3.0}, window=5.0, budget=None, now=1.0)
    assert governor.window == 5.0
