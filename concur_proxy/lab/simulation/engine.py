"""An engine in virtual time."""

from collections.abc import Callable

from concur_proxy.engines.sample import EngineSample
from concur_proxy.lab.engine.engine import EngineModel, EngineShape
from concur_proxy.lab.engine.request import EngineRequest
from concur_proxy.lab.simulation.timeline import Timeline

OnProgress = Callable[[EngineRequest], None]
"""Called at a request's first token and at its last."""


class SimulatedEngine:
    """Steps the engine model, one step after the other while there is work."""

    def __init__(self, name: str, shape: EngineShape, timeline: Timeline) -> None:
        self.name = name
        self.model = EngineModel(shape)
        self.busy_s = 0.0
        """Seconds in which it computed."""
        self._timeline = timeline
        self._is_stepping = False
        self._waiting: dict[EngineRequest, OnProgress] = {}

    def send(self, request: EngineRequest, on_progress: OnProgress) -> None:
        """A request has come."""
        self._waiting[request] = on_progress
        self.model.add(request)
        if not self._is_stepping:
            # After all that happens at this moment, so that requests that come together are computed together.
            self._is_stepping = True
            self._timeline.after(0.0, self._begin)

    def sample(self) -> EngineSample:
        """What a scrape would read now."""
        model = self.model
        counters = model.counters
        return EngineSample(
            at=self._timeline.now,
            dialect="simulated",
            kv_usage=model.kv_usage,
            running=model.running,
            waiting=model.waiting,
            capacity_tokens=model.shape.capacity_tokens,
            prefix_queries=float(counters.prefix_queries),
            prefix_hits=float(counters.prefix_hits),
            preemptions=float(counters.preemptions),
        )

    def _begin(self) -> None:
        duration_s = self.model.begin_step()
        self._is_stepping = duration_s is not None
        if duration_s is not None:
            self.busy_s += duration_s
            self._timeline.after(duration_s, self._end)

    def _end(self) -> None:
        for request in self.model.end_step():
            if request.is_finished:
                self._waiting.pop(request)(request)
            elif request.generated == 1:
                self._waiting[request](request)
        self._begin()
