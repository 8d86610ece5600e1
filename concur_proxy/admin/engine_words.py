"""Says in one line how an engine is, and what its window is. The live page, `status` and `top` show these lines."""

import math
from typing import Literal

from concur_proxy.admission.goal import GoalStanding
from concur_proxy.admission.snapshot import GateSnapshot
from concur_proxy.control.phrasing import count, duration, number_of
from concur_proxy.monitoring.circuit import CircuitState
from concur_proxy.monitoring.monitor import EngineMonitor

Level = Literal["good", "warning", "bad"]

GIVES_WAY = {
    "lease": "tool calls take so long that the engine computes a context again for less than keeping it would cost",
    "goal": "at this load, the goal wants no session to wait",
    "no_returns": "hardly any session comes back, so there is no context to keep",
}
"""Why nobody waits for the window in tokens, see `GateSnapshot.gives_way`."""


def health(monitor: EngineMonitor, gate: GateSnapshot, *, is_enforcing: bool, is_leaving: bool) -> tuple[Level, str]:
    """How serious the engine's state is, and the state in one line."""
    if is_leaving:
        return "warning", f"being removed: {number_of(gate.in_flight, 'request')} still in flight"
    if not (monitor.has_answered and monitor.is_up):
        others = ", other engines get its work" if monitor.has_answered else ""
        return "bad", f"cannot be reached{others}: {monitor.failure or 'no answer'}"
    limitation = _limitation(monitor)
    return ("good", at_work(gate, is_enforcing=is_enforcing)) if limitation is None else ("warning", limitation)


def window_in_words(gate: GateSnapshot, capacity_tokens: float | None, *, is_manual: bool) -> str:
    """The window in words, such as "50k of 60k cache tokens, set manually"."""
    limits = []
    if gate.budget_tokens is not None:
        of = f" of {count(capacity_tokens)}" if capacity_tokens else ""
        limits.append(f"{count(gate.budget_tokens)}{of} cache tokens")
    if math.isfinite(gate.window):
        limits.append(f"{round(gate.window, 1):g} session{'' if gate.window == 1 else 's'}")
    return (" and ".join(limits) or "no limit") + (", set manually" if is_manual else "")


def goal_in_words(standing: GoalStanding) -> str:
    """The goal, its target and whether it is met, such as "balanced; 99 % of first tokens within 12 s"."""
    words = [standing.goal.value]
    if standing.first_token_p99_s is not None:
        words.append(f"99 % of first tokens within {duration(standing.first_token_p99_s)}")
    if standing.target_s is not None:
        verdict = {None: "not known yet", True: "met", False: "not met"}[standing.is_met]
        words.append(f"target {duration(standing.target_s)}: {verdict}")
    return "; ".join(words)


def at_work(gate: GateSnapshot, *, is_enforcing: bool) -> str:
    """What an engine without a problem does, and who waits for it."""
    if not is_enforcing:
        return "healthy; no session waits, because the gateway only observes here"
    if gate.waiting:
        return f"healthy and full: {number_of(gate.waiting, 'session')} waiting"
    if gate.gives_way is not None and gate.in_flight:
        return f"healthy, nobody waits: {GIVES_WAY[gate.gives_way]}"
    return "healthy, nobody waits" if gate.in_flight else "healthy, nothing to do"


def _limitation(monitor: EngineMonitor) -> str | None:
    """Why the engine is not to be trusted fully, or None."""
    if monitor.circuit.state is CircuitState.HALF_OPEN:
        return "answers again: it gets work, and is watched"
    if monitor.failure is not None:
        return f"answers, but its metrics cannot be read: {monitor.failure}"
    return f"answers, but its metrics are {duration(monitor.signal_age_s)} old" if monitor.is_stale else None
