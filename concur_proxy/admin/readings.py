"""What the history notes about each engine: gauges and counters of its gate and its monitor."""

from concur_proxy.admin.history import Reading
from concur_proxy.admission.gate import SessionGate
from concur_proxy.monitoring.monitor import EngineMonitor


def reading(gate: SessionGate, monitor: EngineMonitor) -> Reading:
    """The present values of one engine.

    Cached and computed tokens are those of the engine's own metrics. What came back and what was computed again is
    known only from answers that say how much of their prompt was cached.
    """
    now, use, rates = gate.snapshot(), gate.accounts.cache_use, monitor.rates
    counts_prefill = rates is not None and rates.prefilled_tokens is not None
    return {
        "admitted": now.active,
        "waiting": now.waiting,
        "in_flight": now.in_flight,
        "footprint_tokens": now.footprint_tokens,
        "window_tokens": now.budget_tokens,
        "window_sessions": now.window,
        "kv_usage": None if rates is None else rates.kv_usage,
        "cached_tokens": max(monitor.hit_tokens, use.cached_tokens) if counts_prefill or use.answers else None,
        "computed_tokens": monitor.computed_tokens if counts_prefill else None,
        "returning_tokens": use.returning_tokens if use.answers else None,
        "recomputed_tokens": use.recomputed_tokens if use.answers else None,
        "answered_tokens": now.answered_tokens,
    }
