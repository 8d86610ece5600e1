"""A real Redis for tests, which may be killed, frozen and started again."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from redis import Redis
from redis.exceptions import RedisError

from tests.benchmarks.process import free_port

START_TIMEOUT_S = 20.0


class RedisServer:
    """One Redis server on its own port, in memory only. With `keeps` the data survive a restart."""

    def __init__(self, *flags: str, keeps: bool = False, host: str = "127.0.0.1", launcher: Sequence[str] = ()) -> None:
        """`launcher` is a command that runs the server in a network namespace in which `host` is a local address."""
        self.host = host
        self.port = free_port()
        self._launcher = launcher
        self._flags = flags
        self._folder = Path(tempfile.mkdtemp(prefix="concur-redis-"))
        self._keeps = keeps
        self.client = Redis(host=host, port=self.port, socket_timeout=5)
        """Sees what is in it."""
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """For redis-py, and for the gateway's `redis_url`."""
        return f"redis://{self.host}:{self.port}/0"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self) -> None:
        """Start, and return when it answers. Does nothing if it runs."""
        if self._process is not None:
            return
        self._folder.mkdir(exist_ok=True)
        command = (
            *self._launcher,
            *("redis-server", "--port", str(self.port), "--bind", self.host, "--dir", str(self._folder)),
            *("--save", "", "--appendonly", "yes" if self._keeps else "no", "--appendfsync", "always"),
            *self._flags,
        )
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            with suppress(RedisError):
                self.client.ping()
                return
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise RuntimeError("redis-server did not start")
            time.sleep(0.02)

    def kill(self) -> None:
        """Kill the server, as in a crash."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def close(self) -> None:
        """Stop the server and delete its data."""
        self.kill()
        self.client.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def freeze(self) -> None:
        """Freeze the server with SIGSTOP."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let the server continue."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        assert self._process is not None
        os.kill(self._process.pid, number)
