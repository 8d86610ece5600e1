"""The output of commands: a view that moves on a terminal, and plain lines in a file or a pipe."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

from rich.console import Console

LINE_S = 5.0
"""Seconds between two lines of progress in a file."""


class Output(Console):
    """Standard output, or standard error. If nobody reads it any longer, printing raises `BrokenPipeError`."""

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, highlight=False)

    @property
    def can_redraw(self) -> bool:
        """Whether what was printed can be replaced. False for files and pipes, also with FORCE_COLOR set."""
        return self.file.isatty() and self.is_terminal and not self.is_dumb_terminal

    def on_broken_pipe(self) -> NoReturn:
        """Called by rich while it handles the `BrokenPipeError`, in order to exit."""
        raise  # noqa: PLE0704 - the error that is being handled


@contextmanager
def steps(first: str) -> Iterator[Callable[[str], None]]:
    """Show on standard error what a command does. Yields what shows the next step. In a file, the first one is not
    shown, and each other one once.
    """
    console = Output(stderr=True)
    if console.can_redraw:
        with console.status(first) as status:
            yield status.update
    else:
        shown = {first}

        def show(step: str) -> None:
            if step not in shown:
                shown.add(step)
                console.print(step)

        yield show


class Lines:
    """Progress in a file: says when the next line is due, so that there are few of them."""

    def __init__(self, interval_s: float = LINE_S) -> None:
        self._interval_s = interval_s
        self._last_at = time.monotonic()

    @property
    def are_due(self) -> bool:
        """Whether to print a line now. True at most once in an interval."""
        now = time.monotonic()
        if now - self._last_at < self._interval_s:
            return False
        self._last_at = now
        return True
