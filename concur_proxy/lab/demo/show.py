"""How the demo shows its progress: drawn again and again on a terminal, a line from time to time in a file."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live

from concur_proxy.lab.demo.display import LiveView

LINE_S = 5.0
"""Seconds between two lines of progress in a file."""


class Show:
    """Prints to a console."""

    def __init__(self, console: Console, *, redraws: bool) -> None:
        self._console = console
        self._redraws = redraws

    def line(self, text: str) -> None:
        """Print a sentence. In a file it is one line, however long it is."""
        self._console.print(text, markup=False, highlight=False, soft_wrap=not self._redraws)

    @contextmanager
    def view(self, view: LiveView) -> Iterator["asyncio.Task[None]"]:
        """Show a run while it lasts. Yields a task that only ends if nothing can be printed."""
        printing = asyncio.ensure_future(self._refresh() if self._redraws else self._print_lines(view))
        try:
            if self._redraws:
                with Live(view, console=self._console, refresh_per_second=4, transient=True):
                    yield printing
            else:
                yield printing
        finally:
            printing.cancel()

    async def _refresh(self) -> None:
        """Wait: rich draws the view in a thread of its own."""
        await asyncio.Event().wait()

    async def _print_lines(self, view: LiveView) -> None:
        while True:
            await asyncio.sleep(LINE_S)
            self.line(view.line)
