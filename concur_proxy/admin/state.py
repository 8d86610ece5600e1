"""The state of the gateway as one document, for the live page, `concur-proxy status` and `concur-proxy top`."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from concur_proxy.admin.schema import (
    DecisionStatus,
    EngineStatus,
    GatewayStatus,
    LawStatus,
    RequestCounts,
    SessionCounts,
    SessionList,
    SessionStatus,
    TenantStatus,
    WindowStatus,
)
from concur_proxy.admission.gate import SessionGate
from concur_proxy.admission.session import Session, SessionState
from concur_proxy.admission.tenant_totals import combined
from concur_proxy.control.law import Decision
from concur_proxy.control.phrasing import describe
from concur_proxy.coordination.coordinator import Coordinator
from concur_proxy.monitoring.monitor import EngineMonitor
from concur_proxy.monitoring.pool import EnginePool
from concur_proxy.recognition.tenants import scoped, split_name
from concur_proxy.telemetry.recognition import RecognitionWatch

MAX_SESSIONS = 200
MAX_DECISIONS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class StateReader:
    """Reads the present state from the objects that own it."""

    pool: EnginePool
    coordinator: Coordinator
    clock: Callable[[], float]
    replica: str
    """This gateway's name."""
    laws: list[str]
    """Names of the control laws to choose from."""
    recognition: RecognitionWatch

    def state(self) -> GatewayStatus:
        """The whole state: every engine, at most `MAX_SESSIONS` sessions and the newest `MAX_DECISIONS` decisions."""
        now, pairs, listed, homes = self.clock(), self._pairs(), self.sessions(), self.pool.homes
        recent = [(at, monitor, decision) for _, monitor in pairs for at, decision in reversed(monitor.recent)]
        recent.sort(key=lambda entry: -entry[0])
        return GatewayStatus(
            replica=self.replica,
            role=self.coordinator.status.role.value,
            replicas=self.coordinator.status.replicas,
            mode=self.pool.laws.mode,
            laws=self.laws,
            unrecognised=self.recognition.share,
            shared_keys=self.recognition.shared_keys,
            warnings=self.recognition.warnings(),
            engines=[self._engine(gate, monitor, homes) for gate, monitor in pairs],
            tenants=_tenants([gate for gate, _ in pairs]),
            sessions_total=listed.total,
            sessions=listed.sessions,
            decisions=[_decision(monitor, at, decision, now) for at, monitor, decision in recent[:MAX_DECISIONS]],
        )

    def engine(self, name: str) -> EngineStatus:
        """One engine. Raises `KeyError` for an unknown one."""
        return self._engine(self.coordinator.fleet.gates[name], self.pool.monitors[name], self.pool.homes)

    def sessions(self) -> SessionList:
        """The first sessions of each engine, at most `MAX_SESSIONS` in total.

        Engines share the total fairly, so that an engine with many sessions does not hide those of another.
        """
        now, gates = self.clock(), [gate for gate, _ in self._pairs()]
        first = [gate.first_sessions(MAX_SESSIONS) for gate in gates]
        shares = _shares([len(sessions) for sessions in first], MAX_SESSIONS)
        rows = [
            _session(gate, session, now)
            for gate, sessions, share in zip(gates, first, shares, strict=True)
            for session in sessions[:share]
        ]
        return SessionList(total=sum(len(gate.sessions) for gate in gates), sessions=rows)

    def session(self, key: str, tenant: str | None) -> SessionList | None:
        """The sessions of this key: of one tenant, or of all that have one. None if nobody has one."""
        now, gates = self.clock(), [gate for gate, _ in self._pairs()]
        names = self.names(key, tenant)
        rows = [
            _session(gate, session, now)
            for gate in gates
            for name in names
            if (session := gate.sessions.get(name)) is not None
        ]
        return SessionList(total=sum(len(gate.sessions) for gate in gates), sessions=rows) if rows else None

    def names(self, key: str, tenant: str | None) -> list[str]:
        """The names of the sessions with this key: of one tenant, or of all that have one. If no tenant has one, the
        key may be a sub-agent's: then these are its possible names.
        """
        if key.startswith("\0"):
            return [key]  # a request without a session: it is numbered, and not by tenant
        if tenant is not None:
            return [scoped(tenant, key)]
        gates = [gate for gate, _ in self._pairs()]
        known = {"", *(session.tenant for gate in gates for session in gate.sessions)}
        names = [scoped(each, key) for each in sorted(known)]
        found = [name for name in names if any(gate.sessions.get(name) is not None for gate in gates)]
        return found or names

    def _pairs(self) -> list[tuple[SessionGate, EngineMonitor]]:
        gates = self.coordinator.fleet.gates
        return [(gates[name], monitor) for name, monitor in self.pool.monitors.items() if name in gates]

    def _engine(self, gate: SessionGate, monitor: EngineMonitor, homes: Mapping[str, str]) -> EngineStatus:
        now, rates = gate.snapshot(), monitor.rates
        law, options = self.pool.laws.named(monitor.engine)
        return EngineStatus(
            engine=monitor.engine,
            server=homes.get(monitor.engine),
            reachable=monitor.is_up and monitor.has_answered,
            circuit=monitor.circuit.state.value,
            kind=monitor.kind,
            models=None if monitor.models is None else sorted(monitor.models),
            signals="stale" if monitor.is_stale else "fresh",
            signal_age_s=round(monitor.signal_age_s, 3),
            problem=monitor.failure,
            law=LawStatus(name=law, options=options, enforced=gate.is_enforcing),
            window=WindowStatus(
                sessions=None if math.isinf(now.window) else now.window,
                tokens=now.budget_tokens,
                by_hand=monitor.governor.is_manual,
            ),
            sessions=SessionCounts(active=now.active, paused=now.paused, queued=now.queued, waiting=now.waiting),
            requests=RequestCounts(held=now.held, in_flight=now.in_flight),
            footprint_tokens=round(now.footprint_tokens),
            answered_tokens=now.answered_tokens,
            capacity_tokens=None if rates is None else rates.capacity_tokens,
            kv_usage=None if rates is None else rates.kv_usage,
            hit_rate=None if rates is None else rates.hit_rate,
            lease_s=round(now.lease_s, 3),
        )


def _tenants(gates: Sequence[SessionGate]) -> list[TenantStatus]:
    """All tenants, if there are several."""
    standings = combined(gate.tenants for gate in gates)
    total = sum(one.served_tokens for one in standings.values())
    rows = [
        TenantStatus(
            tenant=name,
            active=one.active,
            waiting=one.waiting,
            served_tokens=one.served_tokens,
            share=round(one.served_tokens / total, 4) if total else None,
            weight=one.weight,
        )
        for name, one in standings.items()
    ]
    return rows if len(rows) > 1 else []


def _shares(wanted: Sequence[int], total: int) -> list[int]:
    """Divide the total fairly: small wishes are granted in full, and large ones get equal shares of the rest."""
    shares = [0] * len(wanted)
    left = total
    for done, at in enumerate(sorted(range(len(wanted)), key=wanted.__getitem__)):
        shares[at] = min(wanted[at], left // (len(wanted) - done))
        left -= shares[at]
    return shares


def _session(gate: SessionGate, session: Session, now: float) -> SessionStatus:
    first = next(iter(session.held), None)
    place = gate.place_of(session)
    return SessionStatus(
        session_id=split_name(session.key)[1],
        tenant=session.tenant,
        engine=gate.engine,
        state=session.state.value,
        text=_in_words(session, place),
        by_hand=session.stopped,
        preferred=session.is_preferred,
        place=place,
        footprint_tokens=round(session.footprint),
        turns=session.turns,
        wait_s=0.0 if first is None else round(now - first.arrived_at, 1),
        in_flight=session.in_flight,
        idle_s=round(now - session.idle_since, 1) if session.is_dormant else 0.0,
        model=session.model,
    )


def _in_words(session: Session, place: int | None) -> str:
    if session.in_flight:
        return "running, will pause" if session.stopped else "running"
    if session.stopped:
        return "paused by an operator"
    if place is not None:
        return f"waiting (place {place})"
    return "between turns" if session.state is SessionState.ACTIVE else "idle"


def _decision(monitor: EngineMonitor, at: float, decision: Decision, now: float) -> DecisionStatus:
    return DecisionStatus(
        engine=monitor.engine,
        ago_s=round(now - at, 1),
        kind=decision.kind.value,
        reason=decision.reason,
        text=describe(decision, None if monitor.rates is None else monitor.rates.capacity_tokens),
        sessions=None if math.isinf(decision.window) else decision.window,
        tokens=None if decision.budget is None else decision.budget.tokens,
    )
