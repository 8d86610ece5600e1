"""Files that are kept for the moment when the process may open no other one.

Without a file, no connection can be accepted: not even to refuse it, and not that of a health check that waits behind
others in the kernel's queue. So one of these is closed, and the connection takes its place.
"""

import os
from contextlib import suppress


class SpareFiles:
    """None are kept until `keep` is called."""

    def __init__(self) -> None:
        self._files: list[int] = []
        self._count = 0

    def keep(self, count: int) -> None:
        """Keep this many. Call it early: a file whose number is beyond a limit that is lowered later is of no use."""
        self._count = count
        while len(self._files) > count:
            self.lend()
        self.refill()

    def refill(self) -> bool:
        """Take back those that were lent. Returns whether all are here: files are not short any more."""
        with suppress(OSError):
            while len(self._files) < self._count:
                self._files.append(os.open(os.devnull, os.O_RDONLY))
        return len(self._files) >= self._count

    def lend(self) -> bool:
        """Make room for another file. Returns whether there was one to lend."""
        if not self._files:
            return False
        os.close(self._files.pop())
        return True
