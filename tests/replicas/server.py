"""One server in a process of its own, which can be killed, frozen, terminated and started again on the same port."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from tests.benchmarks.process import free_port

START_TIMEOUT_S = 60.0


class Server:
    """`concur-proxy` with a command and its arguments, on one port of 127.0.0.1."""

    def __init__(self, name: str, *arguments: str, log: Path, launcher: Sequence[str] = ()) -> None:
        """`launcher` is a command that runs another one, such as `unshare`. The log is appended to `log`."""
        self.name = name
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = log
        self.launcher = launcher
        """For the next start."""
        self._command = (sys.executable, "-m", "concur_proxy", *arguments, "--port", str(self.port))
        self._process: subprocess.Popen[bytes] | None = None

    def __repr__(self) -> str:
        return self.name

    @property
    def is_running(self) -> bool:
        """Whether there is a process, frozen or not."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._running.pid

    @property
    def descriptors(self) -> int:
        """Number of files and sockets that the process has open."""
        return len(os.listdir(f"/proc/{self._running.pid}/fd"))  # noqa: PTH208 - the kernel's, not a folder

    async def start(self) -> None:
        """Start, and return when it listens."""
        self._launch()
        async with asyncio.timeout(START_TIMEOUT_S):
            while not _accepts(self.port):
                if not self.is_running:
                    raise RuntimeError(f"{self.name} did not start: {self.log.read_text()[-2000:]}")
                await asyncio.sleep(0.05)

    def kill(self) -> None:
        """End it as a crash would. Does nothing if it has ended."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """Stop it with SIGSTOP, whatever it is doing."""
        self._running.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it continue."""
        self._running.send_signal(signal.SIGCONT)

    def hang_up(self) -> None:
        """Ask it with SIGHUP to read its files again."""
        self._running.send_signal(signal.SIGHUP)

    def terminate(self) -> None:
        """Ask it to end with SIGTERM."""
        self._running.send_signal(signal.SIGTERM)

    async def ended(self, *, within_s: float) -> int:
        """Wait for the end; returns the exit status."""
        process = self._running
        async with asyncio.timeout(within_s):
            while process.poll() is None:
                await asyncio.sleep(0.02)
        self._process = None
        return process.wait()

    def _launch(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen((*self.launcher, *self._command), stdout=subprocess.DEVNULL, stderr=log)

    @property
    def _running(self) -> "subprocess.Popen[bytes]":
        assert self._process is not None, f"{self.name} does not run"
        return self._process


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
