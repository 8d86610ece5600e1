"""Doors for several workers in one process: the system's lock of a real door is free for all of its own process."""

import fcntl
from pathlib import Path

from concur_proxy.coordination.workers.door import Door


class DoorInOneProcess(Door):
    """The door of one of several workers that run in this process. Its lock is one that each open file has alone."""

    def __init__(self, lock: Path, others: "DoorInOneProcess | None" = None) -> None:
        super().__init__()
        self._own = lock.open("a")
        if others is not None:
            for each in (self._file, self._inside, self._outside):
                each.close()
            self._file = open(others._file.fileno(), "r+b", buffering=0, closefd=False)  # noqa: SIM115
            self._inside, self._outside = others._inside.dup(), others._outside.dup()

    def take_lead(self) -> int | None:
        """Lead from now on, unless another worker does."""
        try:
            fcntl.flock(self._own, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return None
        return super().take_lead()

    def give_up_lead(self) -> None:
        """Let another worker lead."""
        fcntl.flock(self._own, fcntl.LOCK_UN)

    def close(self) -> None:
        """Close it."""
        super().close()
        self._own.close()
