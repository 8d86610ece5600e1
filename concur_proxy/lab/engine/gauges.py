"""When an engine's gauges are refreshed.

vLLM exports the state of the latest step. SGLang 0.5.23 exports a snapshot: it refreshes its gauges at the end of a
prefill batch, at every 40th decode step, and every 30 s while it is idle. Until the first prefill batch has ended they
read 0, although requests are running; after the last request has ended they can show its load for 30 s.
"""

from dataclasses import dataclass

from concur_proxy.lab.engine.engine import EngineModel

DECODE_STEPS = 40
"""SGLang's `--decode-log-interval`."""
IDLE_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauges:
    """An engine's state at one moment; the cache in blocks."""

    running: int
    waiting: int
    kv_usage: float
    """Share of blocks that running requests use, 0 to 1."""
    used: int
    free: int
    evictable: int

    @classmethod
    def of(cls, model: EngineModel) -> "Gauges":
        """The present state of an engine model."""
        cache = model.cache
        return cls(
            running=model.running,
            waiting=model.waiting,
            kv_usage=model.kv_usage,
            used=cache.used,
            free=cache.free,
            evictable=cache.evictable,
        )


class LateGauges:
    """Gauges that are a snapshot, as SGLang's are. Times are in the engine's seconds."""

    def __init__(self, model: EngineModel) -> None:
        self._model = model
        self._shown = Gauges.of(model)
        self._refreshed_at = 0.0
        self._prefilled = model.counters.prefilled
        self._decode_steps = 0

    def on_step_end(self, *, now: float) -> None:
        """Refresh after a step with prefill, and after every 40th step without."""
        prefilled = self._model.counters.prefilled
        if prefilled > self._prefilled:
            self._prefilled = prefilled
            self._refresh(now)
            return
        self._decode_steps += 1
        if self._decode_steps % DECODE_STEPS == 0:
            self._refresh(now)

    def read(self, *, now: float) -> Gauges:
        """The last snapshot; an idle engine takes a new one every 30 s."""
        is_idle = self._model.running == self._model.waiting == 0
        if is_idle and now - self._refreshed_at >= IDLE_S:
            self._refresh(now)
        return self._shown

    def _refresh(self, now: float) -> None:
        self._shown = Gauges.of(self._model)
        self._refreshed_at = now
