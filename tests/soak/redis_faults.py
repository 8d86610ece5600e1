"""What can happen to Redis. Gateways go on without it, so no client may notice."""

import asyncio
import time

from tests.soak.stage import Stage

DELAY_MS = 400
"""Less than a gateway's patience with Redis, which is a second."""
BETWEEN_S = 0.05


async def kill(stage: Stage) -> None:
    """kill -9 of the master, which comes back with nothing before Sentinel makes another one."""
    stage.redis.master.kill()
    await asyncio.sleep(stage.seconds)
    await asyncio.to_thread(stage.redis.master.start)


async def freeze(stage: Stage) -> None:
    """SIGSTOP, and SIGCONT after some time."""
    stage.redis.master.freeze()
    await asyncio.sleep(stage.seconds)
    stage.redis.master.thaw()


async def fill(stage: Stage) -> None:
    """Refuse every write, as a Redis without memory does that may evict nothing."""
    client = stage.redis.master.client
    await asyncio.to_thread(client.config_set, "maxmemory-policy", "noeviction")
    await asyncio.to_thread(client.config_set, "maxmemory", 1)
    await asyncio.sleep(stage.seconds)
    await asyncio.to_thread(client.config_set, "maxmemory", 0)


async def slow_down(stage: Stage) -> None:
    """Let commands wait for up to `DELAY_MS`."""
    client = stage.redis.master.client
    until = time.monotonic() + stage.seconds
    while time.monotonic() < until:
        await asyncio.to_thread(client.execute_command, "CLIENT", "PAUSE", DELAY_MS, "ALL")
        await asyncio.sleep(DELAY_MS / 1000 + BETWEEN_S)


async def fail_over(stage: Stage) -> None:
    """kill -9 of the master. Sentinel makes the replica the master, and the killed one comes back as its replica."""
    await asyncio.to_thread(stage.redis.fail_over)
