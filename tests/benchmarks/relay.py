"""The cost of the relay: `python -m tests.benchmarks.relay` compares the gateway with a direct connection.

`--redis` adds gateways that share a Redis. `--observed` adds a gateway that traces and one that logs requests.
`--before DIR` adds the gateway of another checkout. `--clients` compares the HTTP clients that the gateway could use
instead (`httpx+aiohttp` needs `pip install httpx-aiohttp`).

The measured process has core 0 for itself. Load and engine share core 1. CPU time is that of the measured process
alone, read from the kernel, so the ratio of two rows is valid even on a shared machine.
"""

import argparse
import asyncio
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from statistics import median

from tests.benchmarks.candidates import CANDIDATES
from tests.benchmarks.load import Tally, chat_request, run_load
from tests.benchmarks.process import cpu_seconds, free_port, running
from tests.coordination.redis_server import RedisServer
from tests.telemetry.otlp_receiver import OtlpReceiver

CONNECTIONS = 64
EVENTS = 200
RELAY_CORE, LOAD_CORE = 0, 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """The figures of one way to the engine."""

    name: str
    requests_s: float
    """Complete JSON answers per second, with 64 connections."""
    request_cpu_us: float
    """CPU time of the relay per answer, in microseconds."""
    events_s: float
    """SSE events per second, with 64 parallel streams."""
    event_cpu_us: float
    p50_ms: float
    """Latency of a JSON answer with one connection."""
    p99_ms: float

    def line(self) -> str:
        """A row of the Markdown table."""
        return (
            f"| {self.name} | {self.requests_s:,.0f} | {self.request_cpu_us:.0f} | {self.events_s:,.0f} "
            f"| {self.event_cpu_us:.1f} | {self.p50_ms:.2f} | {self.p99_ms:.2f} |"
        )


HEAD = """\
| way to the engine | requests/s, c=64 | CPU us each | SSE events/s, c=64 | CPU us each | p50 ms, c=1 | p99 ms, c=1 |
| --- | --- | --- | --- | --- | --- | --- |"""


def measure(name: str, port: int, pid: int | None, seconds: float) -> Row:
    """Put load on the server at `port`. `pid` is the process of the relay, or None without a relay."""
    sessions = [f"s{number}" for number in range(CONNECTIONS)]
    plain = [chat_request(stream=False, session=session) for session in sessions]
    streams = [chat_request(stream=True, events=EVENTS, session=session) for session in sessions]
    _load(port, plain, 0.5)
    requests, request_cpu = _cpu(pid, lambda: _load(port, plain, seconds))
    events, event_cpu = _cpu(pid, lambda: _load(port, streams, seconds))
    alone = _load(port, plain[:1], seconds)
    if requests.failures or events.failures or alone.failures:
        raise RuntimeError(f"{name}: {requests.failures + events.failures + alone.failures} requests failed")
    latencies = sorted(alone.latencies)
    return Row(
        name=name,
        requests_s=requests.requests / requests.seconds,
        request_cpu_us=1e6 * request_cpu / max(1, requests.requests),
        events_s=events.events / events.seconds,
        event_cpu_us=1e6 * event_cpu / max(1, events.events),
        p50_ms=1e3 * latencies[len(latencies) // 2],
        p99_ms=1e3 * latencies[int(len(latencies) * 0.99)],
    )


def _load(port: int, requests: list[bytes], seconds: float) -> Tally:
    return asyncio.run(run_load(port, requests, seconds=seconds))


def _cpu(pid: int | None, work: Callable[[], Tally]) -> tuple[Tally, float]:
    before = cpu_seconds(pid) if pid is not None else 0.0
    tally = work()
    return tally, (cpu_seconds(pid) - before) if pid is not None else 0.0


def compare_clients(engine_port: int, seconds: float, names: Sequence[str]) -> None:
    """A row for each HTTP client in the same minimal relay."""
    for name in names:
        port = free_port()
        arguments = ("--client", name, "--engine", f"http://127.0.0.1:{engine_port}", "--port", str(port))
        with running("tests.benchmarks.minimal_relay", *arguments, port=port, core=RELAY_CORE) as pid:
            print(measure(name, port, pid, seconds).line(), flush=True)


def compare_gateway(
    engine_port: int, seconds: float, *, rounds: int, before: Path | None, shares: bool, observed: bool
) -> None:
    """Measure the direct way and the gateway, and the other gateways that were asked for.

    All are measured in turn, several times, and the medians are shown.
    """
    ways: dict[str, list[Row]] = {}
    for _ in range(rounds):
        for row in _gateway_rows(engine_port, seconds, before=before, shares=shares, observed=observed):
            ways.setdefault(row.name, []).append(row)
    for rows in ways.values():
        print(_median(rows).line())


def _gateway_rows(
    engine_port: int, seconds: float, *, before: Path | None, shares: bool, observed: bool
) -> Iterator[Row]:
    yield measure("direct", engine_port, None, seconds)
    folders = {"through the gateway before": before} if before else {}
    for name, folder in (folders | {"through the gateway": None}).items():
        with _gateway(engine_port, core=RELAY_CORE, folder=folder) as (port, pid):
            yield measure(name, port, pid, seconds)
    if observed:
        yield from _observed_rows(engine_port, seconds)
    if shares:
        yield from _shared_rows(engine_port, seconds)


def _observed_rows(engine_port: int, seconds: float) -> Iterator[Row]:
    lines = ("--log-requests", "--log-format", "json", "--log-level", "info")
    with _gateway(engine_port, *lines, core=RELAY_CORE) as (port, pid):
        yield measure("with a line for each request", port, pid, seconds)
    with OtlpReceiver() as collector, _gateway(engine_port, "--otlp-endpoint", collector.url, core=RELAY_CORE) as own:
        yield measure("with a trace for each request", *own, seconds)


def _shared_rows(engine_port: int, seconds: float) -> Iterator[Row]:
    with RedisServer() as redis:
        shared = ("--store", "redis", "--redis-url", redis.url)
        with _gateway(engine_port, *shared, core=RELAY_CORE) as (port, pid):
            yield measure("Redis: through the one that leads", port, pid, seconds)
            os.sched_setaffinity(pid, {LOAD_CORE})  # it still leads, and leaves its core to the next one
            with _gateway(engine_port, *shared, core=RELAY_CORE) as (port_of_next, pid_of_next):
                yield measure("Redis: through one that follows", port_of_next, pid_of_next, seconds)


def _median(rows: Sequence[Row]) -> Row:
    figures = [field.name for field in fields(Row) if field.name != "name"]
    return Row(name=rows[0].name, **{figure: median(getattr(row, figure) for row in rows) for figure in figures})


@contextmanager
def _gateway(engine_port: int, *flags: str, core: int, folder: Path | None = None) -> Iterator[tuple[int, int]]:
    port = free_port()
    command = ("serve", "--engine", f"http://127.0.0.1:{engine_port}", "--port", str(port))
    quiet = () if "--log-level" in flags else ("--log-level", "error")
    with running("concur_proxy", *command, *quiet, *flags, port=port, core=core, folder=folder) as pid:
        yield port, pid


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.relay", description=__doc__)
    parser.add_argument("--clients", action="store_true", help="compare HTTP clients instead of the gateway")
    parser.add_argument("--rounds", type=int, default=1, help="number of measurements; the median is shown (default 1)")
    parser.add_argument("--redis", action="store_true", help="also compare gateways that share a Redis")
    parser.add_argument("--observed", action="store_true", help="also compare traces and request log lines")
    parser.add_argument("--before", type=Path, metavar="DIR", help="also compare the gateway of this checkout")
    parser.add_argument("--only", choices=sorted(CANDIDATES), action="append", help="only this client; repeatable")
    parser.add_argument("--seconds", type=float, default=4.0, help="length of each measurement (default 4)")
    given = parser.parse_args(arguments)
    os.sched_setaffinity(0, {LOAD_CORE})
    engine_port = free_port()
    with ExitStack() as stack:
        engine = ("--port", str(engine_port), "--core", str(LOAD_CORE))
        stack.enter_context(running("tests.benchmarks.mock_engine", *engine, port=engine_port, core=LOAD_CORE))
        print(HEAD)
        if given.clients:
            compare_clients(engine_port, given.seconds, given.only or sorted(CANDIDATES))
        else:
            compare_gateway(
                engine_port,
                given.seconds,
                rounds=given.rounds,
                before=given.before,
                shares=given.redis,
                observed=given.observed,
            )


if __name__ == "__main__":
    main()
