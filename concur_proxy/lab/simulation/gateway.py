"""The gateway in virtual time: the same gates, governors and laws, with calls instead of HTTP."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from concur_proxy import plugins
from concur_proxy.admission.arrival import Answered
from concur_proxy.admission.changes import EndSession, Observe, Resize
from concur_proxy.admission.fleet import Fleet
from concur_proxy.admission.gate import SessionGate
from concur_proxy.admission.gate_state import GateOptions
from concur_proxy.admission.learned_lease import LearnedLease
from concur_proxy.admission.lease import FixedLease
from concur_proxy.admission.numbering import Numbers
from concur_proxy.admission.outcome import Outcome
from concur_proxy.admission.snapshot import GateSnapshot
from concur_proxy.admission.ticket import Ticket
from concur_proxy.control.governor import GovernorOptions, WindowGovernor
from concur_proxy.control.law import ControlLaw, DecisionKind
from concur_proxy.control.phrasing import describe
from concur_proxy.control.signal import CongestionSignal
from concur_proxy.engines.sample import IntervalRates, SignalRates
from concur_proxy.lab.engine.request import EngineRequest
from concur_proxy.lab.simulation.agent import Request
from concur_proxy.lab.simulation.engine import SimulatedEngine
from concur_proxy.lab.simulation.identity import arrival_of, ended_key
from concur_proxy.lab.simulation.policy import Policy
from concur_proxy.lab.simulation.replicas import SimulatedReplicas
from concur_proxy.lab.simulation.timeline import Alarm, Timeline
from concur_proxy.monitoring.engine_tokens import EngineTokens
from concur_proxy.monitoring.signals import SignalMaker, engine_load
from concur_proxy.wire.answer.errors import MAX_RETRY_AFTER_S
from concur_proxy.wire.answer.usage import Usage

SCRAPE_INTERVAL_S = 1.0


@dataclass(slots=True, kw_only=True)
class CoursePoint:
    """What one scrape showed of an engine and its window. Counters are totals since the start."""

    at: float
    window: float
    active: int
    waiting: int
    kv_usage: float
    hit_rate: float | None
    generated: int
    prefilled: int
    kind: DecisionKind = DecisionKind.HOLD
    reason: str = ""
    running: float = 0.0
    """Requests in the engine's batch."""
    engine_waiting: float = 0.0
    """Requests in the engine's own queue."""
    window_tokens: float | None = None
    """Cache tokens that the active sessions may fill; None without such a limit."""


class ControlLoop:
    """One engine's signals and its window. It keeps the course of the run if a report needs it."""

    def __init__(self, engine: SimulatedEngine, governor: WindowGovernor, *, keeps_course: bool) -> None:
        self.engine = engine
        self.governor = governor
        self.course: list[CoursePoint] = []
        self.tokens = EngineTokens(engine.name)
        self.tokens.max_model_len = engine.max_model_len
        self._keeps_course = keeps_course
        self._rates = SignalRates()
        self._signals = SignalMaker()

    def read(self, gate: GateSnapshot) -> tuple[IntervalRates, CongestionSignal]:
        """Scrape the engine."""
        sample = self.engine.sample()
        rates = self.tokens.on_sample(self._rates.advance(sample), sample, gate)
        if self._keeps_course:
            counters = self.engine.model.counters
            self.course.append(
                CoursePoint(
                    at=sample.at,
                    window=gate.window,
                    active=gate.active,
                    waiting=gate.waiting,
                    kv_usage=rates.kv_usage or 0.0,
                    hit_rate=rates.hit_rate,
                    generated=counters.generated,
                    prefilled=counters.prefilled,
                    running=rates.running or 0.0,
                    engine_waiting=rates.waiting or 0.0,
                    window_tokens=gate.budget_tokens,
                )
            )
        return rates, self._signals.advance(rates, gate)

    def decide(self, signal: CongestionSignal) -> float:
        """Decide on the window; returns it."""
        decision = self.governor.on_signal(signal)
        if self._keeps_course:
            last = self.course[-1]
            last.kind, last.reason = decision.kind, describe(decision, self.engine.model.shape.capacity_tokens)
        return self.governor.window


class SimulatedGateway:
    """Admits requests to engines, scrapes the engines and moves their windows."""

    def __init__(
        self,
        policy: Policy,
        engines: Sequence[SimulatedEngine],
        timeline: Timeline,
        on_done: Callable[[Request], None],
        *,
        replicas: int = 1,
        seed: int = 0,
        keeps_courses: bool = True,
    ) -> None:
        """`on_done` is called with each request whose answer has ended, before its agent goes on. `seed` decides which
        of the `replicas` a request arrives at.
        """
        self.policy = policy
        self.engines = {engine.name: engine for engine in engines}
        self._timeline = timeline
        self._on_done = on_done
        self._laws: dict[str, ControlLaw] = {
            name: plugins.build(plugins.LAWS, policy.law, policy.options) for name in self.engines
        }
        self.fleet = Fleet(engines=list(self.engines), make_gate=self._make_gate, move_after_s=policy.move_after_s)
        self._door: Fleet | SimulatedReplicas = self.fleet
        if replicas > 1:
            self._door = SimulatedReplicas(self.fleet, timeline, self._apply, count=replicas, seed=seed)
        self.loops = [
            ControlLoop(
                engine,
                WindowGovernor(law=self._laws[engine.name], options=GovernorOptions(), now=0.0),
                keeps_course=keeps_courses,
            )
            for engine in engines
        ]
        self._tokens = {loop.engine.name: loop.tokens for loop in self.loops}
        self._requests: dict[Ticket, Request] = {}
        self._expiry: Alarm | None = None
        self._expires_at = float("inf")
        for loop in self.loops:
            timeline.at(0.0, partial(self._scrape, loop))  # engines are read before the first agent starts

    def send(self, request: Request) -> None:
        """A request of an agent arrives."""
        ticket, decided = self._door.arrive(arrival_of(request, self.policy), now=self._timeline.now)
        self._requests[ticket] = request
        self._apply(decided)

    def _apply(self, decided: list[Ticket]) -> None:
        for ticket in decided:
            request = self._requests[ticket]
            if ticket.outcome is Outcome.ADMITTED:
                self._forward(ticket, request)
            else:
                del self._requests[ticket]
                self._refuse(ticket, request)
        deadline = self._door.next_deadline()
        if deadline is not None and deadline < self._expires_at:
            if self._expiry is not None:
                self._expiry.cancel()
            self._expires_at = deadline
            self._expiry = self._timeline.at(deadline, self._expire)

    def _forward(self, ticket: Ticket, request: Request) -> None:
        request.admitted_at = self._timeline.now
        engine = self.engines[ticket.engine]
        keys = request.keys(engine.model.shape.block_tokens)
        sent = EngineRequest(keys=keys, prompt_tokens=request.prompt_tokens, output_tokens=request.answer_tokens)
        engine.send(sent, partial(self._progress, ticket, request))

    def _progress(self, ticket: Ticket, request: Request, sent: EngineRequest) -> None:
        now = self._timeline.now
        if request.first_at is None:
            request.first_at = now
        if not sent.is_finished:
            return
        request.cached_tokens = sent.cached_tokens or 0
        del self._requests[ticket]
        usage = Usage(prompt_tokens=request.prompt_tokens, completion_tokens=request.answer_tokens)
        self._tokens[ticket.engine].on_usage(usage, first_token_at=request.first_at, is_batch=False)
        answered = Answered(
            prompt_tokens=request.prompt_tokens,
            completion_tokens=request.answer_tokens,
            cached_tokens=request.cached_tokens if self.policy.tells_cached else None,
            first_token_s=request.first_at - (ticket.decided_at or 0.0),
        )
        decided = self._door.finish(ticket, answered, now=now)
        key = ended_key(request, self.policy)
        if key is not None:
            decided += self._door.apply(EndSession(key=key), now=now)
        self._apply(decided)
        self._on_done(request)
        request.on_done(request)

    def _refuse(self, ticket: Ticket, request: Request) -> None:
        request.refusals += 1
        _, wait_s = self._door.expected_wait(ticket, now=self._timeline.now)
        self._timeline.after(min(max(wait_s, 1.0), MAX_RETRY_AFTER_S), partial(self.send, request))

    def _expire(self) -> None:
        self._expiry, self._expires_at = None, float("inf")
        self._apply(self._door.expire(now=self._timeline.now))

    def _scrape(self, loop: ControlLoop) -> None:
        now = self._timeline.now
        rates, signal = loop.read(self.fleet.gates[loop.engine.name].snapshot())
        engine = loop.engine.name
        self._apply(self._door.apply(Observe(engine=engine, load=engine_load(rates)), now=now))
        resized = Resize(engine=engine, window=loop.decide(signal), budget=loop.governor.budget)
        self._apply(self._door.apply(resized, now=now))
        self._timeline.after(SCRAPE_INTERVAL_S, partial(self._scrape, loop))

    def _make_gate(self, engine: str, numbers: Numbers) -> SessionGate:
        law, lease_s = self._laws[engine], self.policy.idle_lease_s
        return SessionGate(
            options=GateOptions(
                enforcing=law.enforces,
                work_conserving=self.policy.work_conserving,
                goal=self.policy.goal,
                first_token_target_s=self.policy.first_token_target_s,
            ),
            lease=LearnedLease() if lease_s is None else FixedLease(lease_s),
            window=law.window,
            engine=engine,
            numbers=numbers,
        )
