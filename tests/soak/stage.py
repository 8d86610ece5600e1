"""Everything that runs in a soak: Redis, gateways, engines, and agents."""

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.http.scripted_engine import ScriptedEngine
from tests.replicas.cluster import Cluster
from tests.replicas.server import Server
from tests.soak.agents import Agents
from tests.soak.canaries import WEIGHTS, keys_file
from tests.soak.health import asked
from tests.soak.hostile_engine import hostile_engine

ENGINE_FLAGS = ("--step-s", "0.03", "--decode-s", "0", "--prefill-tokens-s", "100000")
TTL_S = 8
IDLE_TIMEOUT_S = 8
GATEWAY_FLAGS = (
    *("--session-ttl-s", str(TTL_S), "--idle-lease", "2", "--move-after-s", "2", "--log-level", "info"),
    *("--engine-first-byte-timeout-s", str(IDLE_TIMEOUT_S), "--engine-idle-timeout-s", str(IDLE_TIMEOUT_S)),
)


@dataclass(slots=True, kw_only=True)
class Stage:
    """What a fault can break."""

    cluster: Cluster
    hostile: ScriptedEngine
    agents: Agents
    health: Path
    """The file of health answers."""
    keys: Path
    """The file of client keys."""
    tasks: Sequence[Path]
    """For each gateway, the file of the number of its tasks."""
    seconds: float
    """How long a fault lasts."""
    broken: set[Server] = field(default_factory=set)
    """Gateways that a fault has killed and not yet started again."""


@asynccontextmanager
async def stage(*, agents: int, seconds: float) -> AsyncIterator[Stage]:
    """Start everything, and end it with the block."""
    hostile = hostile_engine()
    await hostile.start()
    with TemporaryDirectory(prefix="concur-soak-") as folder:
        keys = Path(folder, "keys.toml")
        await asyncio.to_thread(keys.write_text, keys_file(WEIGHTS))
        tasks = (Path(folder, "tasks-0"), Path(folder, "tasks-1"))
        flags = (*GATEWAY_FLAGS, "--engine", hostile.url, "--client-keys-file", str(keys))
        places = ("--law", "static", "--set", f"window={max(2, agents // 8)}", "--no-work-conserving")
        try:
            async with Cluster(
                replicas=2,
                engines=2,
                engine_flags=ENGINE_FLAGS,
                gateway_flags=(*flags, *places),
                launchers=[(sys.executable, "-m", "tests.soak.counted", str(file)) for file in tasks],
            ) as cluster:
                crowd = Agents(cluster.replicas, agents)
                health = keys.with_name("health")
                running = asyncio.create_task(crowd.run())
                try:
                    with asked(health, [replica.port for replica in cluster.replicas]):
                        yield Stage(
                            cluster=cluster,
                            hostile=hostile,
                            agents=crowd,
                            health=health,
                            keys=keys,
                            tasks=tasks,
                            seconds=seconds,
                        )
                finally:
                    running.cancel()
                    with suppress(asyncio.CancelledError):
                        await running
        finally:
            await hostile.stop()
            await asyncio.sleep(0.1)  # its connections end
