import math

import pytest

from concur_proxy.control.law import Budget, Decision, DecisionKind
from concur_proxy.control.phrasing import count, describe, duration, number_of, percent


def _decision(kind: DecisionKind, *, window: float = math.inf, tokens: float | None = None) -> Decision:
    return Decision(kind=kind, window=window, reason="why", budget=None if tokens is None else Budget(tokens=tokens))


@pytest.mark.parametrize(
    ("decision", "capacity", "text"),
    [
        (_decision(DecisionKind.INCREASE, tokens=50_430), 60_000, "window raised to 50k of 60k cache tokens: why"),
        (_decision(DecisionKind.DECREASE, tokens=9_420), None, "window lowered to 9.4k cache tokens: why"),
        (_decision(DecisionKind.HOLD, tokens=50_046), 60_000, "window unchanged (50k of 60k cache tokens): why"),
        (_decision(DecisionKind.INCREASE, window=10), 60_000, "window raised to 10 sessions: why"),
        (_decision(DecisionKind.DECREASE, window=1), None, "window lowered to 1 session: why"),
        (
            _decision(DecisionKind.FREEZE, window=4.5, tokens=800),
            1_000,
            "window unchanged (800 of 1k cache tokens and 4.5 sessions): why",
        ),
        (_decision(DecisionKind.FALLBACK, window=256), 60_000, "fallback window of 256 sessions: why"),
        (_decision(DecisionKind.HOLD), 60_000, "not limiting anyone: why"),
    ],
)
def test_a_decision_is_one_sentence(decision: Decision, capacity: float | None, text: str) -> None:
    assert describe(decision, capacity) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (850, "850"),
        (999.4, "999"),
        (999.6, "1k"),
        (9_540, "9.5k"),
        (9_960, "10k"),
        (50_430, "50k"),
        (131_072, "131k"),
        (999_700, "1M"),
        (1_084_000, "1.08M"),
        (1_200_000, "1.2M"),
        (36_000_000, "36M"),
        (2_500_000_000_000, "2500G"),
    ],
)
def test_counts_have_two_or_three_digits(value: float, text: str) -> None:
    assert count(value) == text


def test_shares_and_times_have_a_unit() -> None:
    assert [percent(share) for share in (0.0, 0.042, 0.0999, 0.607, 1.0)] == ["0 %", "4.2 %", "10 %", "61 %", "100 %"]
    assert [duration(seconds) for seconds in (16.1, 840, 10_800)] == ["16 s", "14 min", "3 h"]


def test_one_thing_is_singular() -> None:
    assert [number_of(value, "session") for value in (0, 1, 2, 12_345)] == [
        "0 sessions",
        "1 session",
        "2 sessions",
        "12,345 sessions",
    ]
