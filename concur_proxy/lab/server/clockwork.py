"""Runs an engine model in real time, and wakes whoever waits for its tokens."""

import asyncio
from collections.abc import AsyncGenerator

from concur_proxy.lab.engine.engine import EngineModel
from concur_proxy.lab.engine.request import EngineRequest

MAX_LAG_S = 0.001
"""How far the steps may lag behind, to be caught up: a timer is late by up to a millisecond, and a step that short is
not to take two. More, on a busy machine, would let a prompt seem computed in no time.
"""


class Clockwork:
    """Lets the time of each step pass, divided by the time scale."""

    def __init__(self, model: EngineModel, time_scale: float) -> None:
        self.model = model
        self._time_scale = time_scale
        self._has_work = asyncio.Event()
        self._progress: dict[EngineRequest, asyncio.Event] = {}

    async def run(self) -> None:
        """Step until cancelled; without work it sleeps.

        Steps follow each other without a gap: each ends where the model says, not where a late timer woke up.
        """
        loop = asyncio.get_running_loop()
        ends_at = loop.time()
        while True:
            duration_s = self.model.begin_step()
            if duration_s is None:
                self._has_work.clear()
                await self._has_work.wait()
                ends_at = loop.time()
                continue
            ends_at = max(ends_at, loop.time() - MAX_LAG_S) + duration_s / self._time_scale
            await asyncio.sleep(max(0.0, ends_at - loop.time()))
            for request in self.model.end_step():
                if (progress := self._progress.get(request)) is not None:
                    progress.set()

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
