"""An engine in virtual time."""

from collections.abc import Callable

from concur_proxy.engines.sample import EngineSample
from concur_proxy.lab.engine.engine import EngineModel, EngineShape
from concur_proxy.lab.engine.gauges import Gauges, LateGauges
from concur_proxy.lab.engine.request import EngineRequest
from concur_proxy.lab.simulation.timeline import Timeline

OnProgress = Callable[[EngineRequest], None]
"""Called at a request's first token and at its last token."""


class SimulatedEngine:
    """Runs the steps of the engine model while there is work."""

    def __init__(
        self,
        name: str,
        shape: EngineShape,
        timeline: Timeline,
        *,
        late_gauges: bool = False,
        reported_tokens: int | None = None,
    ) -> None:
        """`late_gauges`: refresh the gauges as late as SGLang does. `reported_tokens`: the size of the cache in the
        metrics, derived from blocks, if it is wrong.
        """
        self.name = name
        self._reported_tokens = reported_tokens
        self.max_model_len = None if reported_tokens is None else shape.capacity_tokens // 2
        """The longest context, as the engine tells it: no scenario has a longer one. The gateway needs it only where
        the reported size of the cache is wrong.
        """
        self.model = EngineModel(shape)
        self._late_gauges = LateGauges(self.model) if late_gauges else None
        self.busy_s = 0.0
        """Seconds in which the engine computed."""
        self._timeline = timeline
        self._is_stepping = False
        self._waiting: dict[EngineRequest, OnProgress] = {}

    def send(self, request: EngineRequest, on_progress: OnProgress) -> None:
        """A request arrives."""
        self._waiting[request] = on_progress
        self.model.add(request)
        if not self._is_stepping:
            # After all other events of this moment, so that requests that arrive together are computed together.
            self._is_stepping = True
            self._timeline.after(0.0, self._begin)

    def sample(self) -> EngineSample:
        """Read the metrics."""
        model, now = self.model, self._timeline.now
        counters = model.counters
        gauges = Gauges.of(model) if self._late_gauges is None else self._late_gauges.read(now=now)
        return EngineSample(
            at=now,
            kind="simulated",
            kv_usage=gauges.kv_usage,
            running=gauges.running,
            waiting=gauges.waiting,
            capacity_tokens=self._reported_tokens or model.shape.capacity_tokens,
            capacity_is_derived=self._reported_tokens is not None,
            prefix_queries=float(counters.prefix_queries),
            prefix_hits=float(counters.prefix_hits + counters.loaded),
            reloaded_tokens=float(counters.loaded) if model.shape.host_tokens else None,
            preemptions=float(counters.preemptions),
        )

    def _begin(self) -> None:
        duration_s = self.model.begin_step()
        self._is_stepping = duration_s is not None
        if duration_s is not None:
            self.busy_s += duration_s
            self._timeline.after(duration_s, self._end)

    def _end(self) -> None:
        grown = self.model.end_step()
        if self._late_gauges is not None:
            self._late_gauges.on_step_end(now=self._timeline.now)
        for request in grown:
            if request.is_finished:
                self._waiting.pop(request)(request)
            elif request.generated == 1:
                self._waiting[request](request)
        self._begin()
