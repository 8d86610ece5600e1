"""Everything that runs in a soak: Redis with Sentinel, gateways, engines, and agents."""

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.http.scripted_engine import ScriptedEngine
from tests.replicas.cluster import Cluster
from tests.replicas.server import Server
from tests.soak.agents import Agents
from tests.soak.canaries import WEIGHTS, Traces, keys_file
from tests.soak.health import asked
from tests.soak.hostile_engine import hostile_engine
from tests.soak.machine import ENDS_WITH_SOAK, ENGINE_NAME, Machine, machine
from tests.soak.real import real_engine
from tests.soak.redis_pair import RedisPair

MODEL = "emulated"
ENGINE_FLAGS = ("--step-s", "0.03", "--decode-s", "0", "--prefill-tokens-s", "100000")
TTL_S = 8
IDLE_TIMEOUT_S = 12
GATEWAY_FLAGS = (
    *("--session-ttl-s", str(TTL_S), "--idle-lease", "2", "--move-after-s", "2", "--log-level", "info"),
    *("--engine-first-byte-timeout-s", str(IDLE_TIMEOUT_S), "--engine-idle-timeout-s", str(IDLE_TIMEOUT_S)),
    *("--log-requests", "--max-buffered-bytes", "256Mi"),
)
AGENTS_PER_PLACE = 40
"""Agents for each place at an engine. They are ten families at three or four engines, so that every tenant waits."""


@dataclass(slots=True, kw_only=True)
class Stage:
    """What a fault can break."""

    cluster: Cluster
    redis: RedisPair
    machine: Machine
    named: Server
    """The emulated engine that the gateways know by a host name."""
    hostile: ScriptedEngine
    agents: Agents
    traces: Traces
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
    weights: Mapping[str, float] = field(default_factory=lambda: WEIGHTS)
    """The tenants' weights at this moment."""


@asynccontextmanager
async def stage(*, agents: int, seconds: float, minutes: float) -> AsyncIterator[Stage]:
    """Start everything, and end it with the block."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="concur-soak-")))
        here = await asyncio.to_thread(machine, folder)
        hostile = hostile_engine(MODEL)
        await hostile.start()
        stack.push_async_callback(_stop, hostile)
        named = Server(
            "named", "engine", "--model", MODEL, *ENGINE_FLAGS, log=folder / "named.log", launcher=ENDS_WITH_SOAK
        )
        stack.callback(named.kill)
        await named.start()
        by_name = f"http://{ENGINE_NAME}:{named.port}"
        real = await stack.enter_async_context(real_engine(minutes=minutes, model=MODEL))
        redis = stack.enter_context(RedisPair(launcher=here.launcher))
        traces = stack.enter_context(Traces())
        keys, health = folder / "keys.toml", folder / "health"
        await asyncio.to_thread(keys.write_text, keys_file(WEIGHTS))
        tasks = (folder / "tasks-0", folder / "tasks-1")
        cluster = await stack.enter_async_context(
            Cluster(
                replicas=2,
                engines=1,
                engine_flags=("--model", MODEL, *ENGINE_FLAGS),
                gateway_flags=(
                    *GATEWAY_FLAGS,
                    *("--engine", hostile.url, "--client-keys-file", str(keys), "--otlp-endpoint", traces.url),
                    *(("--engine", real.url) if real is not None else ()),
                    *(("--engine-dns", by_name) if here.hosts is not None else ("--engine", named.url)),
                    *("--law", "static", "--set", f"window={max(2, agents // AGENTS_PER_PLACE)}"),
                    "--no-work-conserving",
                ),
                redis=redis.master,
                redis_urls=[redis.url, redis.url],
                engine_launcher=ENDS_WITH_SOAK,
                launchers=[(*here.launcher, sys.executable, "-m", "tests.soak.counted", str(file)) for file in tasks],
            )
        )
        crowd = Agents(cluster.replicas, agents)
        running = asyncio.create_task(crowd.run())
        stack.push_async_callback(_end, running)
        stack.enter_context(
            asked(health, {replica.name: replica.port for replica in cluster.replicas}, launcher=ENDS_WITH_SOAK)
        )
        yield Stage(
            cluster=cluster,
            redis=redis,
            machine=here,
            named=named,
            hostile=hostile,
            agents=crowd,
            traces=traces,
            health=health,
            keys=keys,
            tasks=tasks,
            seconds=seconds,
        )


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def _stop(hostile: ScriptedEngine) -> None:
    await hostile.stop()
    await asyncio.sleep(0.1)  # its connections end
