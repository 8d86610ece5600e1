"""The gateway in all its forms, and the minimal relay with other HTTP clients, as ways to the engine."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.process import free_port, running
from tests.coordination.redis_server import RedisServer
from tests.telemetry.otlp_receiver import OtlpReceiver


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A way to the engine that is open."""

    port: int
    pid: int | None
    """The main process, or None without a proxy."""
    ping: str = "/health"
    """Path of a small answer."""

    def pids(self) -> list[int]:
        """The process and its children."""
        return [] if self.pid is None else [self.pid, *_children(self.pid)]


Start = Callable[[int], AbstractContextManager[Way]]
"""Opens a way to the engine at this port."""


def _children(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [one for child in map(int, children) for one in (child, *_children(child))]


@contextmanager
def direct(engine_port: int) -> Iterator[Way]:
    """No proxy at all."""
    yield Way(port=engine_port, pid=None)


@contextmanager
def gateway(engine_port: int, *flags: str, folder: Path | None = None) -> Iterator[Way]:
    """The gateway with its default settings and these flags, of this checkout or of the one in `folder`."""
    port = free_port()
    command = ("serve", "--engine", f"http://127.0.0.1:{engine_port}", "--port", str(port))
    quiet = () if "--log-level" in flags else ("--log-level", "error")
    with running("concur_proxy", *command, *quiet, *flags, port=port, core=None, folder=folder) as pid:
        yield Way(port=port, pid=pid, ping="/healthz")


@contextmanager
def traced(engine_port: int) -> Iterator[Way]:
    """The gateway with a trace for each request."""
    with OtlpReceiver() as collector, gateway(engine_port, "--otlp-endpoint", collector.url) as way:
        yield way


@contextmanager
def leading(engine_port: int) -> Iterator[Way]:
    """A gateway with a Redis, which leads because it is alone."""
    with RedisServer() as redis, gateway(engine_port, "--store", "redis", "--redis-url", redis.url) as way:
        yield way


@contextmanager
def following(engine_port: int) -> Iterator[Way]:
    """A gateway that asks another one over Redis, which leads because it was there before."""
    with RedisServer() as redis:
        shared = ("--store", "redis", "--redis-url", redis.url)
        with gateway(engine_port, *shared), gateway(engine_port, *shared) as way:
            yield way


@contextmanager
def minimal(engine_port: int, client: str) -> Iterator[Way]:
    """The smallest relay with this HTTP client."""
    port = free_port()
    arguments = ("--client", client, "--engine", f"http://127.0.0.1:{engine_port}", "--port", str(port))
    with running("tests.benchmarks.minimal_relay", *arguments, port=port, core=None) as pid:
        yield Way(port=port, pid=pid)


OBSERVED: dict[str, Start] = {
    "concur-proxy, a line for each request": lambda port: gateway(
        port, "--log-requests", "--log-format", "json", "--log-level", "info"
    ),
    "concur-proxy, a trace for each request": traced,
}
SHARED: dict[str, Start] = {
    "concur-proxy, Redis: the one that leads": leading,
    "concur-proxy, Redis: one that follows": following,
}
