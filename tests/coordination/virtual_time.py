"""An event loop whose time is made up: where nothing is left to do now, it is later at once."""

import asyncio
import selectors
from collections.abc import Awaitable, Callable
from functools import wraps


class _NoWait(selectors.DefaultSelector):
    """Turns waiting into the passing of the loop's time."""

    now = 1000.0
    waits = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        self.now += timeout
        self.waits += 1
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """For tests of timers. Not for sockets: an answer always comes too late."""

    def __init__(self) -> None:
        self.selector = _NoWait()
        super().__init__(self.selector)

    def time(self) -> float:
        """Seconds; the clock of everything in the loop."""
        return self.selector.now

    @property
    def waits(self) -> int:
        """How often the loop fell asleep until a timer."""
        return self.selector.waits


def virtual_loop() -> VirtualLoop:
    """The running loop."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    return loop


def in_virtual_time(test: Callable[[], Awaitable[None]]) -> Callable[[], None]:
    """Makes of an async test a plain one in a loop of its own."""

    @wraps(test)
    def run() -> None:
        async def main() -> None:
            await test()

        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            runner.run(main())

    del run.__wrapped__  # else pytest takes it for async
    return run
