"""Writes a decision as a sentence. The log, the live page, `top` and `simulate --explain` all show this sentence."""

import math

from concur_proxy.control.law import Decision, DecisionKind


def describe(decision: Decision, capacity_tokens: float | None = None) -> str:
    """The decision in one sentence, such as "window raised to 50k of 60k cache tokens: the engine was idle".

    `capacity_tokens` is the size of the engine's cache. It is left out of the sentence if it is unknown.
    """
    return f"{_outcome(decision, capacity_tokens)}: {decision.reason}"


def _outcome(decision: Decision, capacity_tokens: float | None) -> str:
    size = _size(decision, capacity_tokens)
    if not size:
        return "not limiting anyone"
    if decision.kind is DecisionKind.INCREASE:
        return f"window raised to {size}"
    if decision.kind is DecisionKind.DECREASE:
        return f"window lowered to {size}"
    if decision.kind is DecisionKind.FALLBACK:
        return f"fallback window of {size}"
    return f"window unchanged ({size})"


def _size(decision: Decision, capacity_tokens: float | None) -> str:
    """The limits, joined by "and". Empty if nothing is limited."""
    limits = []
    if decision.budget is not None:
        of = f" of {count(capacity_tokens)}" if capacity_tokens else ""
        limits.append(f"{count(decision.budget.tokens)}{of} cache tokens")
    if math.isfinite(decision.window):
        limits.append(f"{round(decision.window, 1):g} session{'' if decision.window == 1 else 's'}")
    return " and ".join(limits)


def count(value: float) -> str:
    """A number in two or three digits: 850, 9.5k, 50k, 1.08M."""
    significant, unit = 3, ""
    for larger, digits in (("k", 2), ("M", 3), ("G", 3)):
        if value < 999.5:
            break
        value, significant, unit = value / 1000, digits, larger
    decimals = max(0, significant - len(str(int(value)))) if unit else 0
    text = f"{value:.{decimals}f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text) + unit


def number_of(value: float, noun: str) -> str:
    """A whole number of things: `1 session`, `1,234 sessions`."""
    return f"{value:,.0f} {noun}{'' if value == 1 else 's'}"


def percent(share: float) -> str:
    """A share of 1 in percent: 61 %, and with one decimal below 10 %: 4.2 %."""
    value = round(100 * share, 1)
    return f"{value:g} %" if abs(value) < 10 else f"{value:.0f} %"


def duration(seconds: float) -> str:
    """A time span in one unit: 16 s, 14 min, 3 h."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"
