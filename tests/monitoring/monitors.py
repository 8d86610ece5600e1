"""A monitor over a real gate, for tests that are a series of events."""

from collections.abc import Mapping
from dataclasses import replace

from concur_proxy.admission.arrival import Arrival
from concur_proxy.admission.ticket import Ticket
from concur_proxy.control.governor import GovernorOptions, WindowGovernor
from concur_proxy.control.law import ControlLaw
from concur_proxy.control.laws import aimd
from concur_proxy.control.options import OptionValue
from concur_proxy.coordination.local import LocalCoordinator
from concur_proxy.engines.sample import EngineSample, SignalRates
from concur_proxy.monitoring.monitor import EngineMonitor
from tests.coordination.fleets import make_fleet

REFUSED = "http://a/metrics: connection refused"


class Scene:
    """A monitor of engine `a` with the paper's law over a real gate, and a clock that the test moves."""

    def __init__(
        self, law: ControlLaw | None = None, *, engines: tuple[str, ...] = ("a",), **options: OptionValue
    ) -> None:
        self.now = 100.0
        settings: Mapping[str, OptionValue] = {"initial": 8.0, **options}
        self.law = law or aimd.build(settings)
        self.coordinator = LocalCoordinator(make_fleet(engines=engines, window=self.law.window), lambda: self.now)
        governor = WindowGovernor(
            law=self.law,
            options=GovernorOptions(stale_after_s=5.0, fail_open_after_s=15.0, fallback_window=64.0),
            now=self.now,
        )
        self.monitor = EngineMonitor(
            engine="a", coordinator=self.coordinator, governor=governor, clock=lambda: self.now
        )
        self._rates = SignalRates()
        self._sample = EngineSample(
            at=self.now,
            kind="vllm",
            kv_usage=0.3,
            running=1,
            waiting=1,
            capacity_tokens=8192,
            prefix_queries=1000.0,
            prefix_hits=500.0,
            preemptions=0.0,
            started_at=1.0,
        )

    @property
    def window(self) -> float:
        """The gate's window."""
        return self.coordinator.fleet.gates["a"].snapshot().window

    def sample(
        self,
        *,
        after_s: float = 1.0,
        kv_usage: float | None = 0.3,
        waiting: int | None = 1,
        queried: float = 0.0,
        hit: float = 0.0,
        preempted: float = 0.0,
        started_at: float = 1.0,
    ) -> None:
        """A reading, this much later than the last one."""
        self.now += after_s
        last = self._sample
        assert last.prefix_queries is not None
        assert last.prefix_hits is not None
        assert last.preemptions is not None
        self._sample = replace(
            last,
            at=self.now,
            kv_usage=kv_usage,
            waiting=waiting,
            prefix_queries=last.prefix_queries + queried,
            prefix_hits=last.prefix_hits + hit,
            preemptions=last.preemptions + preempted,
            started_at=started_at,
        )
        self.monitor.on_sample(self._rates.advance(self._sample), self._sample)

    def thrash(self) -> None:
        """A reading of congestion by the paper's rule."""
        self.sample(kv_usage=0.9, queried=1000.0, hit=50.0)

    def fail(self, *, after_s: float = 1.0, reason: str = REFUSED, reachable: bool | None = None) -> None:
        """A scrape without an answer."""
        self.now += after_s
        self.monitor.on_failure(reason, reachable=reachable)

    def arrive(self, key: str) -> Ticket:
        """A request."""
        return self.coordinator.arrive(Arrival(key=key, body_bytes=400, hold_s=500))
