"""Loops that run as long as the gateway does. An error in one round does not end them."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from functools import partial
from random import Random

logger = logging.getLogger(__name__)

JITTER = 0.1
"""Part of the interval by which a round comes earlier or later, so that the loops do not all run at the same moment."""


class LoopGuard:
    """Runs the same step, round after round, and survives any error in it."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._last: str | None = None

    async def attempt(self, step: Callable[[], Awaitable[None]]) -> Exception | None:
        """Run the step. Returns the exception that it raised, or None.

        An exception is logged with its traceback unless it is the same as in the round before, so that a defect that
        occurs every second does not fill the disk.
        """
        try:
            await step()
        except Exception as error:
            if repr(error) != self._last:
                logger.exception(
                    "%s: unexpected error, a defect in the gateway or in a plug-in; continuing", self._what
                )
            self._last = repr(error)
            return error
        self._last = None
        return None


class Loop:
    """Runs a step at regular intervals, from the start of one round to the start of the next.

    A round that takes longer than the interval delays the next one; two rounds never overlap.
    """

    def __init__(
        self,
        what: str,
        step: Callable[[], Awaitable[None]],
        *,
        interval_s: float,
        on_error: Callable[[Exception], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`what` is for logs: "reading http://a/metrics". `on_error` is called when `step` has raised."""
        self._step = step
        self._interval_s = interval_s
        self._on_error = on_error
        self._clock = clock
        self._random = Random()  # noqa: S311 - jitter, no secret
        self._hurry = asyncio.Event()
        self._guard = LoopGuard(what)
        self._error_guard = LoopGuard(f"after an error in {what}")

    def hurry(self) -> None:
        """Begin the next round at once."""
        self._hurry.set()

    async def run(self) -> None:
        """Run until cancelled."""
        while True:
            began = self._clock()
            self._hurry.clear()
            error = await self._guard.attempt(self._step)
            if error is not None:
                await self._error_guard.attempt(partial(self._report, error))
            pause = self._interval_s * self._random.uniform(1 - JITTER, 1 + JITTER)
            try:
                async with asyncio.timeout(max(0.0, began + pause - self._clock())):
                    await self._hurry.wait()
            except TimeoutError:
                pass

    async def _report(self, error: Exception) -> None:
        self._on_error(error)
