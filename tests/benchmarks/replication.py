"""The cost of gateways that share a Redis: `python -m tests.benchmarks.replication` starts a redis-server and prints
Markdown tables. The leader runs in a process of its own. The load and a follower run in another one.

A decision covers a request from arrival through admission to its end. CPU time is that of each process alone, read from
the kernel, so it is valid even on a shared machine.
"""

import argparse
import asyncio
import math
import multiprocessing
import os
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from uuid import uuid4

import uvloop

from concur_proxy.admission.arrival import Answered, Arrival
from concur_proxy.admission.fleet import Fleet
from concur_proxy.coordination.coordinator import Coordinator, CoordinatorParts, Role
from concur_proxy.coordination.local import LocalCoordinator
from concur_proxy.coordination.redis.coordinator import RedisCoordinator
from concur_proxy.coordination.redis.link import PROTOCOL
from tests.benchmarks.process import cpu_seconds
from tests.coordination.fleets import make_fleet
from tests.coordination.redis_server import RedisServer

AT_ONCE = (1, 16, 64, 256, 1024)
"""Number of agents. Each sends its next request when its last one has been admitted and has ended."""
LIGHT_PAUSE_S = 0.005
START_TIMEOUT_S = 20.0
BODY_BYTES = 20_000
SPEED_HEAD = """\
| requests at once | decisions/s | p50 ms | p99 ms | CPU us each: follower | leader | Redis |
| ---: | ---: | ---: | ---: | ---: | ---: | ---: |"""
LIGHT_HEAD = """\
| who decides | p50 ms | p99 ms |
| --- | ---: | ---: |"""
MEMORY_HEAD = """\
| known sessions | in Redis, MiB | bytes each | handed over in, s |
| ---: | ---: | ---: | ---: |"""


class Load:
    """Sends requests to a coordinator and measures the time until each is decided."""

    def __init__(self, coordinator: Coordinator) -> None:
        self._coordinator = coordinator

    async def request(self, key: str) -> float:
        """Seconds from the arrival of a request to its decision. The request ends at once."""
        began = time.perf_counter()
        ticket = self._coordinator.arrive(Arrival(key=key, body_bytes=BODY_BYTES, hold_s=60))
        await self._coordinator.wait(ticket)
        took = time.perf_counter() - began
        self._coordinator.finish(ticket, Answered(prompt_tokens=BODY_BYTES // 4, completion_tokens=200))
        return took

    async def run(self, agents: int, seconds: float, *, pause_s: float = 0.0) -> list[float]:
        """The time that each request took, sorted, with this number of agents."""
        times: list[float] = []
        ends_at = time.perf_counter() + seconds

        async def work(key: str) -> None:
            while time.perf_counter() < ends_at:
                times.append(await self.request(key))
                await asyncio.sleep(pause_s)

        await asyncio.gather(*(work(f"agent-{number}") for number in range(agents)))
        return sorted(times)


def parts(url: str, prefix: str, name: str) -> CoordinatorParts:
    """Parts of a coordinator whose engine has room for all, so that only the way to the decision is measured."""

    def fleet(after: int) -> Fleet:
        return make_fleet(window=math.inf, lease_s=60.0, after=after)

    return CoordinatorParts(make_fleet=fleet, clock=time.monotonic, url=url, prefix=prefix, replica=name)


def lead(url: str, prefix: str) -> None:
    """Lead until this process is killed."""

    async def work() -> None:
        await RedisCoordinator(parts(url, prefix, "leader")).start()
        await asyncio.Event().wait()

    uvloop.run(work())


@contextmanager
def leader(server: RedisServer, prefix: str) -> Iterator[int]:
    """A process that leads; yields its pid."""
    process = multiprocessing.get_context("spawn").Process(target=lead, args=(server.url, prefix), daemon=True)
    process.start()
    try:
        deadline = time.monotonic() + START_TIMEOUT_S
        while server.client.get(f"{{{prefix}}}:{PROTOCOL}:term") is None:
            if time.monotonic() > deadline:
                raise RuntimeError("nobody leads")
            time.sleep(0.05)
        yield process.pid or 0
    finally:
        process.kill()
        process.join()


async def following(server: RedisServer, prefix: str, work: Callable[[Load], Awaitable[None]]) -> None:
    """Do the work as a follower of the present leader."""
    coordinator = RedisCoordinator(parts(server.url, prefix, "follower"))
    await coordinator.start()
    try:
        load = Load(coordinator)
        await load.request("first")
        if coordinator.status.role is not Role.FOLLOWING:
            raise RuntimeError(f"the follower is {coordinator.status.role.value}")
        await work(load)
    finally:
        await coordinator.stop()


async def speed(server: RedisServer, seconds: float) -> None:
    """Measure decisions per second, in memory and through Redis."""
    print(SPEED_HEAD)
    redis_pid = int(server.client.info("server")["process_id"])
    own = Load(LocalCoordinator(make_fleet(window=math.inf, lease_s=60.0), time.monotonic))
    print(_speed_row("64, in memory", await _measured(own, 64, seconds, ())), flush=True)
    with leader(server, "speed") as leader_pid:

        async def work(load: Load) -> None:
            for at_once in AT_ONCE:
                await load.run(at_once, 0.5)
                row = await _measured(load, at_once, seconds, (leader_pid, redis_pid))
                print(_speed_row(f"{at_once:,}", row), flush=True)

        await following(server, "speed", work)


Measured = tuple[list[float], float, list[float]]
"""Sorted times, duration in seconds, and CPU seconds of each process, this one first."""


async def _measured(load: Load, at_once: int, seconds: float, others: Sequence[int]) -> Measured:
    pids = (os.getpid(), *others)
    before, began = [cpu_seconds(pid) for pid in pids], time.perf_counter()
    times = await load.run(at_once, seconds)
    elapsed = time.perf_counter() - began
    return times, elapsed, [cpu_seconds(pid) - start for pid, start in zip(pids, before, strict=True)]


def _speed_row(name: str, measured: Measured) -> str:
    times, elapsed, cpu = measured
    each = [f"{1e6 * used / len(times):.0f}" for used in cpu] + [""] * (3 - len(cpu))
    return f"| {name} | {len(times) / elapsed:,.0f} | {_quantiles(times)} | {' | '.join(each)} |"


def _quantiles(times: Sequence[float]) -> str:
    return f"{1e3 * times[len(times) // 2]:.2f} | {1e3 * times[int(len(times) * 0.99)]:.2f}"


async def light_load(server: RedisServer, seconds: float) -> None:
    """Measure the wait for a decision when there is little other traffic."""
    print(LIGHT_HEAD)

    async def show(name: str, load: Load) -> None:
        print(f"| {name} | {_quantiles(await load.run(1, seconds, pause_s=LIGHT_PAUSE_S))} |", flush=True)

    local = LocalCoordinator(make_fleet(window=math.inf, lease_s=60.0), time.monotonic)
    await show("this process, in memory", Load(local))
    coordinator = RedisCoordinator(parts(server.url, "light-alone", "leader"))
    await coordinator.start()
    await show("this process, as the leader", Load(coordinator))
    await coordinator.stop()
    with leader(server, "light"):
        await following(server, "light", lambda load: show("another process, through Redis", load))


async def kept_sessions(server: RedisServer, sessions: int) -> None:
    """Measure the memory of idle sessions in Redis, and the time of a handover from one leader to the next."""
    print(MEMORY_HEAD)
    client = server.client
    coordinator, next_one = (RedisCoordinator(parts(server.url, "kept", name)) for name in ("leader", "follower"))
    await coordinator.start()
    await next_one.start()
    load = Load(coordinator)
    await load.request("first")
    await _until_kept(server, 1)
    before = int(client.info("memory")["used_memory"])
    for _ in range(sessions):
        await load.request(str(uuid4()))
        await asyncio.sleep(0)  # a leader that is silent for too long loses its lead
    await _until_kept(server, 1 + sessions)
    used = int(client.info("memory")["used_memory"]) - before
    began = time.perf_counter()
    await coordinator.stop()
    while next_one.status.role is not Role.LEADING:
        await asyncio.sleep(0.01)
    took = time.perf_counter() - began
    known = sum(len(gate.sessions) for gate in next_one.fleet.gates.values())
    if known != 1 + sessions:
        raise RuntimeError(f"{known} sessions are known")
    await next_one.stop()
    print(f"| {sessions:,} | {used / 2**20:.1f} | {used / sessions:.0f} | {took:.1f} |", flush=True)


async def _until_kept(server: RedisServer, sessions: int) -> None:
    async with asyncio.timeout(60):
        while server.client.hlen(f"{{kept}}:{PROTOCOL}:sessions") < sessions:
            await asyncio.sleep(0.1)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.replication", description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="length of each measurement (default 5)")
    parser.add_argument("--sessions", type=int, default=100_000, help="number of idle sessions (default 100000)")
    given = parser.parse_args(arguments)
    with RedisServer() as server:
        uvloop.run(speed(server, given.seconds))
        print()
        uvloop.run(light_load(server, given.seconds))
        print()
        uvloop.run(kept_sessions(server, given.sessions))


if __name__ == "__main__":
    main()
