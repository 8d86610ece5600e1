"""An event loop with virtual time: when it has nothing left to do, its clock jumps to the next timer."""

import asyncio
import selectors
from collections.abc import Awaitable, Callable
from functools import wraps


class _NoWait(selectors.DefaultSelector):
    """A selector that does not wait: it moves the loop's clock instead."""

    now = 1000.0
    waits = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        self.now += timeout
        self.waits += 1
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop for tests of timers. It cannot be used with sockets: an answer always comes too late."""

    def __init__(self) -> None:
        self.selector = _NoWait()
        super().__init__(self.selector)

    def time(self) -> float:
        """The time in seconds, for everything in the loop."""
        return self.selector.now

    @property
    def waits(self) -> int:
        """How often the loop waited for a timer."""
        return self.selector.waits


def virtual_loop() -> VirtualLoop:
    """The running loop."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    return loop


def in_virtual_time(test: Callable[[], Awaitable[None]]) -> Callable[[], None]:
    """Turn an async test into a plain test that runs in its own loop."""

    @wraps(test)
    def run() -> None:
        async def main() -> None:
            await test()

        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            runner.run(main())

    del run.__wrapped__  # else pytest takes it for async
    return run
