"""Runs an engine model in real time and wakes the requests that wait for its tokens."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass

from concur_proxy.lab.engine.engine import EngineModel
from concur_proxy.lab.engine.request import EngineRequest

CLOCK_PATH = "/emulated/clock"
"""Path under which the emulator reports how well it keeps its own time, in JSON. A real engine has no such path."""
CATCH_UP = 0.25
"""A step that follows a late one may be shorter by this share of its time, or by `CATCH_UP_S`. The limit is small,
because a gateway measures how fast prompts are computed: a prompt that is computed in much less than its time would
make the engine look faster than it is.
"""
CATCH_UP_S = 0.001
"""Real seconds. Timers are late by up to a millisecond, so without catching up every short step would take too long."""
MAX_BEHIND_S = 0.25
"""Delay that later steps make up for, in real seconds; more is lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockReading:
    """How well an emulated engine keeps its own time; all in the engine's seconds, since the start."""

    due_s: float = 0.0
    """How long the steps should have taken, by the cost model."""
    late_s: float = 0.0
    """How much longer the steps took, because this process did not get the CPU in time."""


class Clockwork:
    """Runs the engine model in real time: it sleeps for the duration of each step, divided by the time scale."""

    def __init__(self, model: EngineModel, time_scale: float, on_step_end: Callable[[float], None]) -> None:
        """`on_step_end` is called after each step, with `now`."""
        self.model = model
        self._on_step_end = on_step_end
        self._time_scale = time_scale
        self._has_work = asyncio.Event()
        self._progress: dict[EngineRequest, asyncio.Event] = {}
        self._due_s = self._late_s = 0.0

    @property
    def reading(self) -> ClockReading:
        """The lag so far. A step that is shortened to catch up reduces the lag."""
        return ClockReading(due_s=self._due_s, late_s=self._late_s)

    @property
    def now(self) -> float:
        """The engine's clock, in its own seconds; where it starts has no meaning."""
        return asyncio.get_running_loop().time() * self._time_scale

    async def run(self) -> None:
        """Step until cancelled; sleep while there is no work."""
        loop = asyncio.get_running_loop()
        ended_at, behind_s = loop.time(), 0.0
        while True:
            duration_s = self.model.begin_step()
            if duration_s is None:
                self._has_work.clear()
                await self._has_work.wait()
                ended_at, behind_s = loop.time(), 0.0
                continue
            real_s = duration_s / self._time_scale
            ends_at = ended_at + real_s - min(behind_s, max(CATCH_UP_S, CATCH_UP * real_s))
            await asyncio.sleep(max(0.0, ends_at - loop.time()))
            late_s = loop.time() - ended_at - real_s
            ended_at += real_s + late_s
            behind_s = min(max(0.0, behind_s + late_s), MAX_BEHIND_S)
            self._due_s += duration_s
            self._late_s += late_s * self._time_scale
            self._end_step()

    def _end_step(self) -> None:
        for request in self.model.end_step():
            if (progress := self._progress.get(request)) is not None:
                progress.set()
        self._on_step_end(self.now)

    async def generate(self, request: EngineRequest) -> AsyncGenerator[tuple[int, int]]:
        """Hand the request to the engine; yields the range of answer tokens that have come since the last time.

        Closing the iterator early aborts the request.
        """
        progress = self._progress[request] = asyncio.Event()
        self.model.add(request)
        self._has_work.set()
        seen = 0
        try:
            while not request.is_finished:
                await progress.wait()
                progress.clear()
                if request.generated > seen:
                    yield seen, request.generated
                    seen = request.generated
        finally:
            del self._progress[request]
            self.model.abort(request)
