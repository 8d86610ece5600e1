"""One engine's control loop: its metrics go to the governor, and the resulting window to the coordinator."""

import logging
from collections import Counter, deque
from collections.abc import Callable, Mapping
from http import HTTPStatus

from concur_proxy.admission.changes import LoseCache, Observe, Resize, Serve
from concur_proxy.control.governor import WindowGovernor
from concur_proxy.control.law import Budget, ControlLaw, Decision, DecisionKind
from concur_proxy.control.phrasing import describe
from concur_proxy.coordination.coordinator import Coordinator
from concur_proxy.engines.address import EngineAddress
from concur_proxy.engines.kind import KnownKinds
from concur_proxy.engines.sample import SIGNALS, EngineSample, IntervalRates
from concur_proxy.monitoring.contact import EngineContact
from concur_proxy.monitoring.engine_tokens import EngineTokens
from concur_proxy.monitoring.goal_watch import GoalWatch
from concur_proxy.monitoring.signals import SignalMaker, engine_load
from concur_proxy.wire.request.models import longest_context, model_ids

logger = logging.getLogger(__name__)

RECENT_DECISIONS = 64


class EngineMonitor(EngineContact):
    """Keeps what is known about one engine, and moves its window."""

    def __init__(
        self,
        *,
        engine: str,
        coordinator: Coordinator,
        governor: WindowGovernor,
        clock: Callable[[], float],
        address: EngineAddress | None = None,
        kinds: KnownKinds | None = None,
        capacity_tokens: int | None = None,
        has_own_metrics: bool = True,
    ) -> None:
        """`address` is where the engine is; by default its name is its URL. `kinds` are the kinds that it may be of.
        `capacity_tokens` is the size of its cache if an operator has set it. `has_own_metrics` is False if its metrics
        are at other servers, which say nothing about whether requests can reach it.
        """
        super().__init__(engine=engine, coordinator=coordinator, clock=clock)
        self.address = address or EngineAddress(name=engine, url=engine)
        self.governor = governor
        self.decisions: Counter[DecisionKind] = Counter()
        self.restarts = 0
        self.preemptions = 0.0
        self.hit_tokens = 0.0
        """Prompt tokens that the engine found in its cache, by its metrics, since this process reads them."""
        self.computed_tokens = 0.0
        """Prompt tokens that the engine looked up in its cache and did not find."""
        self.scrape_failures = 0
        self.signals_dropped = 0
        """Values in its metrics that cannot be true."""
        self.rates: IntervalRates | None = None
        """The rates of the newest interval; None before the first one. They are kept while signals are missing."""
        self.kind: str | None = None
        """The name of its engine kind; None until this process has read its metrics."""
        self.last_decision: Decision | None = None
        self.recent: deque[tuple[float, Decision]] = deque(maxlen=RECENT_DECISIONS)
        """The latest decisions with their times, newest last: those that moved the window, or differ in kind from the
        one before.
        """
        self.failure: str | None = "not reached yet"
        """Why there are no signals; None while there are."""
        self.models: frozenset[str] | None = None
        """The models that it lists, LoRA adapters included; None while they are unknown."""
        self.tokens = EngineTokens(engine, capacity_tokens=capacity_tokens)
        self._has_own_metrics = has_own_metrics
        self._has_fallen_open = False
        self._lacks_cached = False
        self._signals = SignalMaker()
        self._goal = GoalWatch(engine)
        self._kinds = kinds or KnownKinds(())

    @property
    def now(self) -> float:
        """The monotonic time, seconds."""
        return self._clock()

    @property
    def is_read(self) -> bool:
        """Whether this process reads the engine's metrics. If there are several replicas, only the leader does."""
        return self._coordinator.status.leads

    @property
    def rank_headers(self) -> list[tuple[bytes, bytes]]:
        """The headers that pin a request to this engine, if it is a data-parallel rank of a server.

        The headers of all kinds are used until the engine's kind is known. A replica that follows another one reads no
        metrics and never knows it.
        """
        if self.address.dp_rank is None:
            return []
        kind = self._kinds.get(self.kind)
        names = self._kinds.rank_headers if kind is None else (kind.rank_header,)
        return [(name.encode("ascii"), b"%d" % self.address.dp_rank) for name in names if name is not None]

    def resume(self, law_state: Mapping[str, float]) -> None:
        """Take over the window from another replica. `law_state` is what that replica's law had saved."""
        gate = self._coordinator.fleet.gates[self.engine]
        now = self._clock()
        self.governor.resume(law_state, window=gate.snapshot().window, budget=gate.budget, now=now)
        self._resize()
        self._signals = SignalMaker()

    @property
    def is_stale(self) -> bool:
        """Whether the signals are too old to act on. Always False if another replica reads them."""
        return self.is_read and self.governor.is_stale(now=self._clock())

    @property
    def signal_age_s(self) -> float:
        """Seconds since the newest usable signal, or since the start before the first one."""
        return self.governor.signal_age_s(now=self._clock())

    def on_sample(self, rates: IntervalRates, sample: EngineSample) -> None:
        """The metrics were read: use the free capacity that they show, then decide on the window."""
        gate = self._coordinator.fleet.gates[self.engine].snapshot()
        rates = self.tokens.on_sample(rates, sample, gate)
        self.rates, self.kind = rates, sample.kind
        self._note(None if rates.kv_usage is not None else "the engine exports no KV usage")
        self.restarts += rates.restarted
        self.preemptions += rates.preemptions or 0.0
        self.hit_tokens += rates.hit_tokens or 0.0
        self.computed_tokens += rates.prefilled_tokens or 0.0
        self.signals_dropped += rates.dropped
        if self._has_own_metrics:
            self._on_contact(self.circuit.heard, "it answers scrapes")
        kind = self._kinds.get(sample.kind)
        if self.tokens.lacks_cached and not self._lacks_cached and kind is not None:
            self._lacks_cached = True
            advice = kind.advice.cached_tokens
            logger.warning("engine %s: its answers do not report cached tokens: %s", self.engine, advice)
        self.tokens.counts_transferred = sample.is_disaggregated and kind is not None and kind.counts_transferred
        if rates.restarted:
            self._coordinator.apply(LoseCache(engine=self.engine))
        # before the load is applied, because requests that it admits belong to the next interval
        signal = self._signals.advance(rates, self._coordinator.fleet.gates[self.engine].snapshot())
        self._coordinator.apply(Observe(engine=self.engine, load=engine_load(rates, self.tokens.max_model_len)))
        decision = self.governor.on_signal(signal)
        self._apply(decision)
        now = self._clock()
        self._goal.note(self._coordinator.fleet.gates[self.engine].goal_standing(now=now), now=now)
        if decision.kind is not DecisionKind.FALLBACK and self.failure is None:
            self._has_fallen_open = False

    def on_failure(self, reason: str, *, reachable: bool | None) -> None:
        """A scrape failed. By the age of the last signal, the window stays or the fallback window applies.

        `reachable` is as in `scraper.OnFailure`.
        """
        self.scrape_failures += 1
        self._note(reason)
        if not self._has_own_metrics:
            pass
        elif reachable:
            self._on_contact(self.circuit.heard, "it answers scrapes")
        elif reachable is False:
            self.on_unreachable(reason)
        else:
            self._move(self.circuit.missed, reason)
        now = self._clock()
        if self.governor.is_stale(now=now):
            self._coordinator.apply(Observe(engine=self.engine, load=None))
        self._apply(self.governor.on_silence(now=now, reason=reason))

    def on_models(self, status: int, body: bytes) -> None:
        """The engine answered `GET /v1/models`. Its models are unknown if the answer is not a list."""
        models = model_ids(body) if status == HTTPStatus.OK else None
        self.tokens.max_model_len = None if models is None else longest_context(body)
        if models != self.models:
            self.models = models
            listed = "unknown" if models is None else ", ".join(sorted(models))[:500] or "none"
            logger.info("engine %s: models: %s", self.engine, listed)
        self._coordinator.apply(Serve(engine=self.engine, models=models))
        if models is not None and not self._has_own_metrics:
            self._on_contact(self.circuit.heard, "it lists its models")

    def on_overload(self) -> None:
        """The engine refused a request with 429 or 503."""
        self._apply(self.governor.on_overload(now=self._clock()))

    def set_window(self, window: float, budget: Budget | None) -> None:
        """An operator sets the window. It stays until `release_window`."""
        self._apply(self.governor.set_manual(window, budget))

    def release_window(self) -> None:
        """Let the law move the window again."""
        self._apply(self.governor.release())

    def follow(self, law: ControlLaw) -> None:
        """Let another law move the window."""
        self._apply(self.governor.follow(law))

    def _note(self, failure: str | None) -> None:
        if failure is None and self.failure is not None:
            logger.info("engine %s: signals are read; this is %s%s", self.engine, self.kind, self._lacks())
        elif failure != self.failure:
            logger.warning("engine %s: no signals: %s", self.engine, failure)
        self.failure = failure

    def _lacks(self) -> str:
        kind = self._kinds.get(self.kind)
        lacking = [text for name, text in SIGNALS.items() if kind is not None and name in kind.not_reported]
        return f", which does not report {', '.join(lacking)}" if lacking else ""

    def _apply(self, decision: Decision) -> None:
        self.decisions[decision.kind] += 1
        moved = decision.kind in {DecisionKind.INCREASE, DecisionKind.DECREASE}
        if moved or not self.recent or self.recent[-1][1].kind is not decision.kind:
            self.recent.append((self._clock(), decision))
        self.last_decision = decision
        text = describe(decision, None if self.rates is None else self.rates.capacity_tokens)
        if moved:
            logger.info("engine %s: %s", self.engine, text)
        elif decision.kind is DecisionKind.FALLBACK and not self._has_fallen_open:
            self._has_fallen_open = True
            logger.warning("engine %s: %s", self.engine, text)
        self._resize()

    def _resize(self) -> None:
        window, budget = self.governor.window, self.governor.budget
        self._coordinator.apply(Resize(engine=self.engine, window=window, budget=budget))
