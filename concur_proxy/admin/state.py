"""The state of the gateway as one document, for the live page, `concur-proxy status` and `concur-proxy top`."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from concur_proxy.admin.engine_words import goal_in_words, health, window_in_words
from concur_proxy.admin.history import STEP_S, History
from concur_proxy.admin.history_schema import EffectStatus, HistorySeries, HistoryStatus
from concur_proxy.admin.readings import reading
from concur_proxy.admin.session_schema import SessionFilter, SessionList
from concur_proxy.admin.sessions import SessionLister
from concur_proxy.admin.status_schema import (
    DecisionStatus,
    EngineStatus,
    GatewayStatus,
    GoalStatus,
    LawStatus,
    RequestCounts,
    SessionCounts,
    TenantStatus,
    WindowStatus,
)
from concur_proxy.admission.gate import SessionGate
from concur_proxy.admission.goal import GoalStanding
from concur_proxy.admission.tenant_totals import combined
from concur_proxy.control.law import Decision
from concur_proxy.control.phrasing import describe
from concur_proxy.coordination.coordinator import Coordinator
from concur_proxy.monitoring.monitor import EngineMonitor
from concur_proxy.monitoring.pool import EnginePool
from concur_proxy.telemetry.recognition import RecognitionWatch

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
    past: History
    """The last hour."""

    def state(self, *, sessions: int) -> GatewayStatus:
        """The whole state: every engine, at most so many sessions and the newest `MAX_DECISIONS` decisions."""
        now, pairs, homes = self.clock(), self._pairs(), self.pool.homes
        gates = [gate for gate, _ in pairs]
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
            effect=self._effect(gates, now),
            warnings=self.recognition.warnings(),
            engines=[self._engine(gate, monitor, homes) for gate, monitor in pairs],
            tenants=_tenants(gates),
            sessions_total=sum(len(gate.sessions) for gate in gates),
            sessions=self._lister.first(sessions) if sessions else [],
            decisions=[_decision(monitor, at, decision, now) for at, monitor, decision in recent[:MAX_DECISIONS]],
        )

    def engine(self, name: str) -> EngineStatus:
        """One engine. Raises `KeyError` for an unknown one."""
        return self._engine(self.coordinator.fleet.gates[name], self.pool.monitors[name], self.pool.homes)

    def sessions(self, wanted: SessionFilter) -> SessionList | None:
        """One page of the sessions. None if one is named and unknown."""
        return self._lister.page(wanted)

    def names(self, key: str, tenant: str | None) -> list[str]:
        """The names of the sessions with this key, see `SessionLister`."""
        return self._lister.names(key, tenant)

    def history(self, engine: str, seconds: float) -> HistoryStatus | None:
        """The newest points of one engine, or of all together. None for an engine without points."""
        series = self.past.series(engine, points=math.ceil(seconds / STEP_S))
        if series is None:
            return None
        age_s = round(self.past.age_s(now=self.clock()), 2)
        return HistoryStatus(engine=engine, step_s=STEP_S, age_s=age_s, series=HistorySeries(**series))

    async def record(self) -> None:
        """Note the present values of all engines in the history. To be called every `STEP_S`."""
        self.past.record({monitor.engine: reading(gate, monitor) for gate, monitor in self._pairs()}, now=self.clock())

    @property
    def _lister(self) -> SessionLister:
        return SessionLister(gates=lambda: [gate for gate, _ in self._pairs()], clock=self.clock)

    def _effect(self, gates: Sequence[SessionGate], now: float) -> EffectStatus:
        tokens, seconds = self.past.saved(now=now)
        return EffectStatus(
            recomputed_tokens_s=self.past.rate("recomputed_tokens"),
            returning_tokens_s=self.past.rate("returning_tokens"),
            computed_tokens_s=self.past.rate("computed_tokens"),
            saved_tokens=tokens,
            saved_s=round(seconds),
            waiting_sessions=sum(gate.waiting for gate in gates),
            longest_wait_s=round(max((gate.longest_wait_s(now=now) for gate in gates), default=0.0), 1),
        )

    def _pairs(self) -> list[tuple[SessionGate, EngineMonitor]]:
        gates = self.coordinator.fleet.gates
        return [(gates[name], monitor) for name, monitor in self.pool.monitors.items() if name in gates]

    def _engine(self, gate: SessionGate, monitor: EngineMonitor, homes: Mapping[str, str]) -> EngineStatus:
        now, rates = gate.snapshot(), monitor.rates
        law, options = self.pool.laws.named(monitor.engine)
        capacity, is_manual = None if rates is None else rates.capacity_tokens, monitor.governor.is_manual
        level, line = health(monitor, now, is_enforcing=gate.is_enforcing, is_leaving=homes.get(monitor.engine) is None)
        return EngineStatus(
            engine=monitor.engine,
            server=homes.get(monitor.engine),
            health=line,
            health_level=level,
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
                by_hand=is_manual,
            ),
            window_text=window_in_words(now, capacity, is_manual=is_manual),
            goal=_goal(gate.goal_standing(now=self.clock())),
            sessions=SessionCounts(active=now.active, paused=now.paused, queued=now.queued, waiting=now.waiting),
            requests=RequestCounts(held=now.held, in_flight=now.in_flight),
            footprint_tokens=round(now.footprint_tokens),
            answered_tokens=now.answered_tokens,
            capacity_tokens=capacity,
            kv_usage=None if rates is None else rates.kv_usage,
            hit_rate=None if rates is None else rates.hit_rate,
            lease_s=round(now.lease_s, 3),
        )


def _goal(standing: GoalStanding) -> GoalStatus:
    return GoalStatus(
        name=standing.goal.value,
        first_token_target_s=standing.target_s,
        first_token_p99_s=None if standing.first_token_p99_s is None else round(standing.first_token_p99_s, 2),
        met=standing.is_met,
        let_through=standing.let_through,
        text=goal_in_words(standing),
    )


def _tenants(gates: Sequence[SessionGate]) -> list[TenantStatus]:
    """All tenants, if there are several."""
    standings = combined(gate.tenants for gate in gates)
    total = sum(one.weighted_tokens for one in standings.values())
    rows = [
        TenantStatus(
            tenant=name,
            active=one.active,
            waiting=one.waiting,
            served_tokens=one.served_tokens,
            share=round(one.weighted_tokens / total, 4) if total else None,
            weight=one.weight,
        )
        for name, one in standings.items()
    ]
    return rows if len(rows) > 1 else []


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
