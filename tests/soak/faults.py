"""The faults of a soak, and the failures of clients that each of them forces."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.http.scripted_engine import Script
from tests.replicas.tally import Failure
from tests.soak import floods, hostile_engine
from tests.soak.canaries import WEIGHTS, keys_file
from tests.soak.stage import Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something that breaks for some time."""

    name: str
    strike: Callable[[Stage], Awaitable[None]]
    """Cause the fault. Returns when it is over."""
    forces: Callable[[Failure], bool] = lambda _: False
    """Whether no gateway could have prevented this failure."""


async def kill_engine(stage: Stage) -> None:
    engine = stage.cluster.engines[0]
    engine.kill()
    await asyncio.sleep(stage.seconds)
    await engine.start()


async def freeze_engine(stage: Stage) -> None:
    engine = stage.cluster.engines[0]
    engine.freeze()
    await asyncio.sleep(stage.seconds)
    engine.thaw()


async def kill_redis(stage: Stage) -> None:
    stage.cluster.redis.kill()
    await asyncio.sleep(stage.seconds)
    await asyncio.to_thread(stage.cluster.redis.start)


async def pause_redis(stage: Stage) -> None:
    stage.cluster.redis.freeze()
    await asyncio.sleep(stage.seconds)
    stage.cluster.redis.thaw()


async def kill_leader(stage: Stage) -> None:
    leader = await stage.cluster.agreed()
    stage.broken.add(leader)
    leader.kill()
    await asyncio.sleep(stage.seconds)
    await leader.start()
    stage.broken.discard(leader)


async def huge_metrics(stage: Stage) -> None:
    stage.hostile.metrics_script = hostile_engine.huge_metrics
    await asyncio.sleep(stage.seconds)
    stage.hostile.metrics_script = None


async def reload(stage: Stage) -> None:
    """Give the tenants other weights, and the earlier ones again."""
    other = {tenant: 4.0 - weight for tenant, weight in WEIGHTS.items()}
    for weights in (other, WEIGHTS):
        await asyncio.to_thread(stage.keys.write_text, keys_file(weights))
        for replica in stage.cluster.replicas:
            replica.hang_up()
        await asyncio.sleep(stage.seconds / 2)


def scripted(script: Script) -> Callable[[Stage], Awaitable[None]]:
    """The hostile engine answers in this way."""

    async def strike(stage: Stage) -> None:
        stage.hostile.script = script
        await asyncio.sleep(stage.seconds)
        stage.hostile.script = hostile_engine.answer_well

    return strike


def is_cut(failure: Failure) -> bool:
    """An answer that had begun."""
    return failure.kind == "cut"


def is_of_engine(failure: Failure) -> bool:
    """An answer that had begun, or a request that the engine may have begun, so that it is not repeated."""
    return failure.kind == "cut" or (failure.kind == "status" and failure.status in {502, 504})


def is_connection(failure: Failure) -> bool:
    """A connection of a killed gateway."""
    return failure.kind in {"cut", "broken", "refused"}


FAULTS = (
    Fault(name="kill -9 of an engine", strike=kill_engine, forces=is_of_engine),
    Fault(name="kill -9 of Redis", strike=kill_redis),
    Fault(name="kill -9 of the leader", strike=kill_leader, forces=is_connection),
    Fault(name="an engine frozen", strike=freeze_engine, forces=is_of_engine),
    Fault(name="an engine resets connections", strike=scripted(hostile_engine.reset), forces=is_of_engine),
    Fault(name="an engine hangs", strike=scripted(hostile_engine.hang), forces=is_of_engine),
    Fault(name="metrics of 16 MB", strike=huge_metrics),
    Fault(name="absurd usage", strike=scripted(hostile_engine.absurd_usage)),
    Fault(name="Redis frozen", strike=pause_redis),
    Fault(name="slow heads and bodies", strike=floods.slow_clients),
    Fault(name="16 uploads of 64 MiB", strike=floods.uploads),
    Fault(name="a flood of sessions", strike=floods.sessions),
    Fault(name="reload of the keys", strike=reload),
)
