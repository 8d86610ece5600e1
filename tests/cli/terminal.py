"""A real command on a terminal of its own, as a person has it."""

import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

CTRL_C = b"\x03"
PATIENCE_S = 60.0
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@dataclass(kw_only=True)
class Terminal:
    """What the command has printed, standard error included, and its keyboard."""

    process: subprocess.Popen[bytes]
    master: int
    shown: bytes = field(default=b"")

    def press(self, keys: bytes) -> None:
        """Press keys. Ctrl-C reaches all processes that the command has started in its group."""
        os.write(self.master, keys)

    def await_text(self, text: str) -> None:
        """Wait until the command has printed this."""
        deadline = time.monotonic() + PATIENCE_S
        while text not in self.text:
            assert time.monotonic() < deadline, f"{text!r} is not in {self.text!r}"
            assert self._read() or text in self.text, f"ended without {text!r}: {self.text!r}"

    def end(self) -> int:
        """Wait until the command has ended and all that it started has left the terminal; its exit status."""
        deadline = time.monotonic() + PATIENCE_S
        while self._read():
            assert time.monotonic() < deadline, f"it goes on: {self.text!r}"
        return self.process.wait(PATIENCE_S)

    @property
    def text(self) -> str:
        """What was printed, without the sequences that move the cursor."""
        return _ESCAPES.sub("", self.shown.decode(errors="replace"))

    def _read(self) -> bool:
        """Read what is there; False once no process has the terminal open."""
        if select.select([self.master], [], [], 0.2)[0]:
            try:
                self.shown += (found := os.read(self.master, 65536))
            except OSError:  # Linux: every other end is closed
                return False
            return bool(found)
        return True


@contextmanager
def on_terminal(*arguments: str) -> Iterator[Terminal]:
    """Run `concur-proxy` with these arguments on a terminal."""
    master, slave = pty.openpty()
    command = [sys.executable, "-m", "concur_proxy", *arguments]
    attach = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
    process = subprocess.Popen(
        [sys.executable, "-S", "-c", attach, *command],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "100", "LINES": "40"},
        cwd=Path(__file__).parents[2],
    )
    os.close(slave)
    try:
        yield Terminal(process=process, master=master)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        os.close(master)
