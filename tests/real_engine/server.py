"""A real engine as a process: what the servers of both kinds have in common."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

import httpx

from tests.benchmarks.process import free_port
from tests.real_engine.install import venv_python
from tests.real_engine.models import PYTHON_ENVIRONMENT, model_folder
from tests.real_engine.series import Series

CONTEXT_TOKENS = 4096
"""Longest request. An engine wants its cache to have room for one."""
STOP_TIMEOUT_S = 20.0
LIFETIME_S = 7200


class ServerFailed(Exception):  # noqa: N818 - says what happened
    """The engine did not start. The message contains the end of its log."""


class EngineServer(ABC):
    """A server that can be killed and started again on the same port. As a context manager it starts and stops."""

    kind: ClassVar[str]
    """What the gateway calls engines of this kind."""
    release: ClassVar[str]
    """The engine's name and version."""
    start_timeout_s: ClassVar[float]

    def __init__(
        self,
        size: str,
        *,
        port: int | None,
        capacity_tokens: int,
        venv: Path,
        dtype: str,
        environment: Mapping[str, str],
    ) -> None:
        """Without a port it takes a free one."""
        self.model = size
        self.dtype = dtype
        self.capacity_tokens = capacity_tokens
        """Size of the KV cache of one rank from the next start on."""
        self.ranks = 1
        """Data-parallel engines behind the port."""
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = venv / "logs" / f"{self.port}.log"
        self._venv = venv
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None
        self._series: Series | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @abstractmethod
    def reset_prefix_cache(self) -> None:
        """Empty the prefix cache, as after a fresh start. No request may be in flight."""

    @abstractmethod
    def in_flight(self) -> float:
        """Number of requests that it computes or that wait in it, now."""

    @abstractmethod
    def finished(self) -> float:
        """Number of requests that it has answered to their end, with more than one token."""

    @abstractmethod
    def generated_tokens(self) -> float:
        """Number of tokens that it has generated."""

    def read(self, series: str) -> float:
        """The sum of the series of this name in its metrics, read now."""
        if self._series is None:
            raise ServerFailed("it does not run")
        return self._series.read(series)

    @abstractmethod
    def _arguments(self, folder: Path) -> Sequence[str]:
        """What Python runs to serve the model in this folder."""

    def start(self) -> None:
        """Start, and return when it serves. Makes the model first if it is missing.

        Raises `ServerFailed` if it ends, if it takes too long, or if another server has its port: both would listen
        there and share the requests.
        """
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                raise ServerFailed(f"another server listens on port {self.port}")
        command = (
            # this process may be killed before it can end the server
            *("setpriv", "--pdeathsig", "TERM", "timeout", "--kill-after=10", str(LIFETIME_S)),
            *(str(venv_python(self._venv)), *self._arguments(model_folder(self.model))),
        )
        self.log.parent.mkdir(exist_ok=True)
        self._series = Series(self.url)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # another folder, so that no file of this repository hides an installed module
                cwd=self.log.parent,
                env={**os.environ, **PYTHON_ENVIRONMENT, **self._environment},
                # A process group can be ended as a whole. A new session would not do: where the kernel schedules by
                # session (autogroup), vLLM spins on sched_yield and starves all others on its cores for seconds (seen
                # with Linux 6.18).
                process_group=0,
            )
        try:
            self._wait_healthy()
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """End it in order, and then by force what is left."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_TIMEOUT_S)
            self.kill()

    def is_alive(self) -> bool:
        """Whether its first process runs."""
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """End the whole process group, as a crash would."""
        process, self._process = self._process, None
        series, self._series = self._series, None
        if series is not None:
            series.close()
        if process is None:
            return
        with suppress(ProcessLookupError):  # all processes have ended
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def _wait_healthy(self) -> None:
        deadline = time.monotonic() + self.start_timeout_s
        with httpx.Client(timeout=5, trust_env=False) as client:
            while time.monotonic() < deadline:
                if self._process is not None and self._process.poll() is not None:
                    raise ServerFailed(f"it ended with status {self._process.returncode}:\n{self._log_end()}")
                with suppress(httpx.TransportError):
                    if client.get(f"{self.url}/health").is_success:
                        return
                time.sleep(0.25)
        raise ServerFailed(f"it did not serve within {self.start_timeout_s:g} s:\n{self._log_end()}")

    def _log_end(self) -> str:
        return "\n".join([*self.log.read_text(errors="replace").splitlines()[-30:], f"(the whole log: {self.log})"])
