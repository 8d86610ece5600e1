"""A Redis, its replica, and a Sentinel that fails over from one to the other when a fault asks for it."""

import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Self

from redis import Redis
from redis.exceptions import RedisError

from tests.benchmarks.process import free_port
from tests.coordination.redis_server import RedisServer

NAME = "fleet"
TIMEOUT_S = 120.0
PATIENT_MS, HASTY_MS = 120_000, 1_000
"""How long a master may be silent before Sentinel takes it for dead. Other faults are no reason to fail over."""


class RedisPair:
    """Gateways reach its master by `url`. As a context manager it starts and stops all three processes."""

    def __init__(self, *, launcher: Sequence[str] = ()) -> None:
        """`launcher` is a command that runs another one."""
        self._launcher = launcher
        self.master = RedisServer(launcher=launcher)
        self.replica = RedisServer("--replicaof", "127.0.0.1", str(self.master.port), launcher=launcher)
        port = free_port()
        self.url = f"redis+sentinel://127.0.0.1:{port}/{NAME}?db=0"
        """For the gateway's `redis_url`."""
        self._folder = TemporaryDirectory(prefix="concur-sentinel-")
        self._port = port
        self._sentinel: Any = Redis(port=port, socket_timeout=5, decode_responses=True)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        try:
            self.master.start()
            self.replica.start()
            _until(lambda: self.master.client.info("replication")["connected_slaves"] == 1, "a replica")
            config = Path(self._folder.name, "sentinel.conf")
            config.write_text(
                f"port {self._port}\nbind 127.0.0.1\nsentinel monitor {NAME} 127.0.0.1 {self.master.port} 1\n"
                f"sentinel down-after-milliseconds {NAME} {PATIENT_MS}\nsentinel failover-timeout {NAME} 5000\n"
            )
            command = (*self._launcher, "redis-server", str(config), "--sentinel")
            self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            _until(lambda: len(self._ask("REPLICAS")) == 1, "a Sentinel that knows both")
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def fail_over(self) -> None:
        """Kill the master, and return when Sentinel has made the other one the master and the killed one runs again."""
        killed = self.master
        self._ask("SET", "down-after-milliseconds", str(HASTY_MS))
        killed.kill()
        _until(lambda: self._asked_master() is self.replica, "another master")
        self._ask("SET", "down-after-milliseconds", str(PATIENT_MS))  # on a busy machine the new one may be silent too
        killed.start()
        _until(self._is_whole, "the old master as a replica")

    def _is_whole(self) -> bool:
        """Whether the master has its replica. Sentinel may have made the killed one the master again."""
        master = self._asked_master()
        if master is not self.master:
            self.master, self.replica = self.replica, self.master
        return bool(self.master.client.info("replication")["connected_slaves"] == 1)

    def _asked_master(self) -> RedisServer:
        port = int(self._ask("GET-MASTER-ADDR-BY-NAME")[1])
        return self.master if port == self.master.port else self.replica

    def _ask(self, question: str, *more: str) -> Any:  # noqa: ANN401 - Redis's own
        return self._sentinel.execute_command("SENTINEL", question, NAME, *more)

    def close(self) -> None:
        """End everything that runs."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._sentinel.close()
        self.master.close()
        self.replica.close()
        self._folder.cleanup()


def _until(holds: Callable[[], bool], what: str) -> None:
    """Wait until a condition holds, during which Redis may not answer."""
    deadline = time.monotonic() + TIMEOUT_S
    while time.monotonic() < deadline:
        with suppress(RedisError, LookupError):
            if holds():
                return
        time.sleep(0.05)
    raise RuntimeError(f"there is not {what} after {TIMEOUT_S:g} s")
