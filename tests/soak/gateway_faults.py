"""What can happen to gateways: their process, files, clock and configuration."""

import asyncio
import resource

from tests.soak.canaries import WEIGHTS, keys_file
from tests.soak.stage import Stage

AN_HOUR_S = 3600
SHORT_OF_FILES = "replica-0"
"""The gateway whose file limit is lowered."""
FILES_LEFT = 20
"""Beyond half of those that it has open."""


async def kill_leader(stage: Stage) -> None:
    """kill -9 of the leader, which comes back after some time."""
    leader = await stage.cluster.agreed()
    stage.broken.add(leader)
    leader.kill()
    await asyncio.sleep(stage.seconds)
    await leader.start()
    stage.broken.discard(leader)


async def low_file_limit(stage: Stage) -> None:
    """A gateway may have only half as many files open as it has at this moment, and a few more."""
    (victim,) = (replica for replica in stage.cluster.replicas if replica.name == SHORT_OF_FILES)
    _, hard = limits = resource.prlimit(victim.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(victim.pid, resource.RLIMIT_NOFILE, (victim.descriptors // 2 + FILES_LEFT, hard))
    await asyncio.sleep(stage.seconds)
    resource.prlimit(victim.pid, resource.RLIMIT_NOFILE, limits)


async def jump(stage: Stage) -> None:
    """The time of day of gateways and Redis jumps forward, back to before the truth, and to the truth again."""
    for seconds in (AN_HOUR_S, -AN_HOUR_S):
        stage.machine.shift(seconds)
        await asyncio.sleep(stage.seconds / 2)
    stage.machine.shift(0)


async def reload(stage: Stage) -> None:
    """Give the tenants other weights, and the earlier ones again."""
    other = {tenant: 4.0 - weight for tenant, weight in WEIGHTS.items()}
    for weights in (other, WEIGHTS):
        stage.weights = weights
        await asyncio.to_thread(stage.keys.write_text, keys_file(weights))
        for replica in stage.cluster.replicas:
            replica.hang_up()
        await asyncio.sleep(stage.seconds / 2)
