"""Coroutines that run at once and go on at once, without a task of the event loop.

A request is one coroutine. As a task it would begin in a later turn of the loop, and each of its pauses would cost a
future and one more turn. Here it begins in the call that brings the request, and goes on in the call that brings what
it waits for. So a request that need not wait is sent to its engine in the same turn in which it has come, and an answer
is written to the client in the same turn in which it has come from the engine.
"""

import asyncio
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context, copy_context
from functools import partial
from typing import Any, ClassVar


class Signal:
    """Wakes the one coroutine that awaits it. It remembers nothing: look whether to wait, await, and look again."""

    __slots__ = ("wake",)

    def __init__(self) -> None:
        self.wake: Callable[[], None] | None = None
        """Called by the next `fire`; None while nothing waits."""

    def fire(self) -> None:
        """Let what waits go on. A `Run` does so before this returns."""
        wake = self.wake
        if wake is not None:
            self.wake = None
            wake()

    def __await__(self) -> Generator[Any, None, None]:
        if Run.current is not None:
            yield self
            return
        future = asyncio.get_running_loop().create_future()  # an ordinary task waits
        self.wake = partial(_end, future)
        try:
            yield from future
        finally:
            self.wake = None


class Run:
    """A coroutine that runs outside any task. It may await signals, futures and `asyncio.sleep(0)`.

    What asks for the current task, such as `asyncio.timeout`, must be awaited as a task of its own. The coroutine has a
    context of its own for context variables. It must not end with an exception.
    """

    __slots__ = ("_awaited", "_context", "_coroutine", "_is_cancelled", "_loop", "_on_end")

    current: ClassVar["Run | None"] = None
    """The one that runs at this moment."""

    def __init__(self, coroutine: Coroutine[Any, Any, None], on_end: Callable[["Run"], object] | None = None) -> None:
        """`on_end` is called once the coroutine has ended."""
        self._coroutine: Coroutine[Any, Any, None] | None = coroutine
        self._context: Context = copy_context()
        self._loop = asyncio.get_running_loop()
        self._on_end = on_end
        self._awaited: Signal | asyncio.Future[Any] | asyncio.Handle | None = None
        self._is_cancelled = False

    @property
    def has_ended(self) -> bool:
        """Whether the coroutine has ended."""
        return self._coroutine is None

    def start(self) -> None:
        """Run until the coroutine waits for the first time, or ends."""
        self._go_on()

    def cancel(self, msg: object = None) -> bool:  # noqa: ARG002 - as a task's
        """Raise `CancelledError` in the coroutine, in the next turn of the event loop. Returns whether it still runs.
        A second call before that does nothing.
        """
        if self._coroutine is None:
            return False
        if not self._is_cancelled:
            self._is_cancelled = True
            self._loop.call_soon(self._interrupt)
        return True

    def _interrupt(self) -> None:
        awaited = self._awaited
        if self._coroutine is None or not self._is_cancelled:
            return
        if isinstance(awaited, Signal):
            awaited.wake = None
        elif asyncio.isfuture(awaited):
            if awaited.cancel():
                return  # the coroutine gets the error from the future
            awaited.remove_done_callback(self._on_future)
        elif awaited is not None:
            awaited.cancel()
        self._is_cancelled = False
        self._go_on(asyncio.CancelledError())

    def _on_future(self, future: "asyncio.Future[Any]") -> None:
        is_late = self._is_cancelled and not future.cancelled()
        self._is_cancelled = False
        self._go_on()
        if is_late:  # the future had its result all the same
            self.cancel()

    def _go_on(self, error: BaseException | None = None) -> None:
        coroutine = self._coroutine
        if coroutine is None:
            return
        before, Run.current = Run.current, self
        awaited: Any = self  # this stands for the end
        try:
            if error is None:
                awaited = self._context.run(coroutine.send, None)
            else:
                awaited = self._context.run(coroutine.throw, error)
        except (StopIteration, asyncio.CancelledError):
            pass
        except Exception as failure:  # noqa: BLE001 - what woke the coroutine has nothing to do with its error
            self._loop.call_exception_handler({"message": "a request failed", "exception": failure})
        finally:
            Run.current = before
            del error  # its traceback refers to this frame: otherwise a cycle waits for the garbage collection
        if awaited is self:
            self._end()
        elif type(awaited) is Signal:
            awaited.wake = self._go_on
            self._awaited = awaited
        elif awaited is None:
            self._awaited = self._loop.call_soon(self._go_on)
        else:
            awaited._asyncio_future_blocking = False  # noqa: SLF001 - as a task does: the future was awaited rightly
            awaited.add_done_callback(self._on_future)
            self._awaited = awaited

    def _end(self) -> None:
        self._coroutine = self._awaited = None
        on_end, self._on_end = self._on_end, None
        if on_end is not None:
            on_end(self)


def _end(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)
