"""How the workers of one gateway meet: the right to lead, and the way to the worker that leads.

The parent process makes it before it forks, and the workers inherit it. So no other process can reach it, and nothing
is left on disk. A worker that is replaced leaves it to the new one.
"""

import fcntl
import os
import socket
import sys
import tempfile
from collections.abc import Iterator
from typing import BinaryIO

_NUMBER_BYTES = 8


class Door:
    """One lock that only the leader holds, and a pair of sockets through which followers hand connections to it.

    The kernel frees the lock when its process ends, however that happens.
    """

    def __init__(self) -> None:
        self._file = _file_in_memory()
        self._inside, self._outside = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._inside.settimeout(0)
        self._outside.settimeout(0)

    def fileno(self) -> int:
        """The descriptor that becomes readable when somebody has knocked."""
        return self._inside.fileno()

    def take_lead(self) -> int | None:
        """Lead from now on, unless another process does: then returns None. Returns the number of the new term."""
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return None
        number = self.term + 1
        os.pwrite(self._file.fileno(), number.to_bytes(_NUMBER_BYTES, "big"), 0)
        return number

    @property
    def term(self) -> int:
        """The number of the present or last term; 0 if no worker has led yet."""
        return int.from_bytes(os.pread(self._file.fileno(), _NUMBER_BYTES, 0), "big")

    def give_up_lead(self) -> None:
        """Let another worker lead. Does nothing in a process that does not lead."""
        fcntl.lockf(self._file, fcntl.LOCK_UN)

    def knock(self) -> socket.socket:
        """Make a connection to the leader. It waits for the next leader if nobody leads. Raises `OSError` if too many
        connections wait.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                socket.send_fds(self._outside, [b"?"], [theirs.fileno()])
            except OSError:
                ours.close()
                raise
        ours.settimeout(0)
        return ours

    def visitors(self) -> Iterator[socket.socket]:
        """The leader's ends of the connections that followers have made."""
        while True:
            try:
                _, descriptors, _, _ = socket.recv_fds(self._inside, 1, 1)
            except BlockingIOError:
                return
            for descriptor in descriptors:
                visitor = socket.socket(fileno=descriptor)
                visitor.settimeout(0)
                yield visitor

    def close(self) -> None:
        """Close it in this process."""
        self._file.close()
        self._inside.close()
        self._outside.close()


def _file_in_memory() -> BinaryIO:
    """An open file without a name."""
    if sys.platform == "linux":  # a container may have no place for temporary files
        return os.fdopen(os.memfd_create("concur-proxy-leader"), "w+b", buffering=0)
    return tempfile.TemporaryFile(buffering=0)
