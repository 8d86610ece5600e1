"""How the gateway stands, as one JSON document: for the live page, `concur-proxy status` and `concur-proxy top`."""

import math
from collections.abc import Callable
from typing import Any

from concur_proxy.admission.gate import SessionGate
from concur_proxy.admission.session import Session
from concur_proxy.api.pool import EnginePool
from concur_proxy.control.law import Decision
from concur_proxy.runtime.monitor import EngineMonitor
from concur_proxy.stores.store import SessionStore

MAX_SESSIONS = 200
MAX_DECISIONS = 50

State = dict[str, Any]


def gateway_state(
    pool: EnginePool, store: SessionStore, *, clock: Callable[[], float], mode: str, sessions: int = MAX_SESSIONS
) -> State:
    """Everything at this moment, with at most so many sessions and the newest decisions; times are seconds ago."""
    now = clock()
    gates = store.gates
    pairs = [(gates[name], monitor) for name, monitor in list(pool.monitors.items()) if name in gates]
    engines = [_engine(gate, monitor, pool) for gate, monitor in pairs]
    rows = [row for gate, _ in pairs for row in _sessions(gate, now, sessions)][:sessions]
    recent = [(at, monitor, decision) for _, monitor in pairs for at, decision in reversed(monitor.recent)]
    recent.sort(key=lambda entry: -entry[0])
    return {
        "role": store.role.value,
        "leader": store.leader or None,
        "replicas": store.replicas,
        "mode": mode,
        "engines": engines,
        "sessions_total": sum(len(gate.sessions) for gate, _ in pairs),
        "sessions": rows,
        "decisions": [_decision(monitor, at, decision, now) for at, monitor, decision in recent[:MAX_DECISIONS]],
    }


def _engine(gate: SessionGate, monitor: EngineMonitor, pool: EnginePool) -> State:
    now, rates = gate.snapshot(), monitor.rates
    law, options = pool.law_of(monitor.engine)
    return {
        "engine": monitor.engine,
        "reachable": monitor.is_up and monitor.has_answered,
        "circuit": monitor.circuit.state.value,
        "kind": monitor.dialect,
        "models": None if monitor.models is None else sorted(monitor.models),
        "signals": "stale" if monitor.is_stale else "fresh",
        "signal_age_s": round(monitor.signal_age_s, 3),
        "problem": monitor.failure,
        "law": {"name": law, "options": dict(options), "enforced": gate.is_enforcing},
        "window": {
            "sessions": None if math.isinf(now.window) else now.window,
            "tokens": now.budget_tokens,
            "by_hand": monitor.governor.is_by_hand,
        },
        "sessions": {"active": now.active, "paused": now.paused, "queued": now.queued, "waiting": now.waiting},
        "requests": {"held": now.held, "in_flight": now.in_flight},
        "footprint_tokens": round(now.footprint_tokens),
        "answered_tokens": now.answered_tokens,
        "capacity_tokens": None if rates is None else rates.capacity_tokens,
        "kv_usage": None if rates is None else rates.kv_usage,
        "hit_rate": None if rates is None else rates.hit_rate,
        "lease_s": round(now.lease_s, 3),
    }


def _sessions(gate: SessionGate, now: float, limit: int) -> list[State]:
    return [_session(gate, session, now) for session in gate.first_sessions(limit)]


def _session(gate: SessionGate, session: Session, now: float) -> State:
    first = next(iter(session.held), None)
    return {
        "session_id": session.key,
        "engine": gate.engine,
        "state": session.state.value,
        "by_hand": session.stopped,
        "preferred": session.is_preferred,
        "place": gate.place_of(session) if gate.is_waiting(session) else None,
        "footprint_tokens": round(session.footprint),
        "turns": session.turns,
        "wait_s": 0.0 if first is None else round(now - first.arrived_at, 1),
        "in_flight": session.in_flight,
        "idle_s": round(now - session.idle_since, 1) if session.is_dormant else 0.0,
        "model": session.model,
    }


def _decision(monitor: EngineMonitor, at: float, decision: Decision, now: float) -> State:
    tokens = None if decision.budget is None else decision.budget.tokens
    return {
        "engine": monitor.engine,
        "ago_s": round(now - at, 1),
        "kind": decision.kind.value,
        "reason": decision.reason,
        "sessions": None if math.isinf(decision.window) else decision.window,
        "tokens": tokens,
    }
