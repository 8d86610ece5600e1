"""Runs the coroutine of a command, and ends it at Ctrl-C without a traceback."""

import asyncio
import signal
import threading
from collections.abc import Coroutine
from types import FrameType
from typing import Any, TypeVar

Result = TypeVar("Result")


def run_async(work: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine to its end and return its result.

    In the main thread, the first Ctrl-C cancels it, so that it ends what it has started, and raises
    `KeyboardInterrupt`. A second one ends the process at once: with `asyncio.run` it would raise an exception in any of
    the cancelled tasks, and all of them would print their tracebacks.
    """
    if threading.current_thread() is not threading.main_thread():  # only that one can handle signals
        return asyncio.run(work)
    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        task = loop.create_task(work)

        def stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - a signal handler's arguments
            if task.done() or task.cancelling():
                signal.signal(number, signal.SIG_DFL)
                signal.raise_signal(number)
            task.cancel()
            loop.call_soon_threadsafe(lambda: None)  # the loop may be asleep

        before = signal.signal(signal.SIGINT, stop)
        try:
            return loop.run_until_complete(task)
        except asyncio.CancelledError:
            raise KeyboardInterrupt from None
        finally:
            runner.close()
            signal.signal(signal.SIGINT, before)
