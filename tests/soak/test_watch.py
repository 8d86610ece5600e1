"""Every rule can be broken. The gateways of these tests do not run."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.replicas.cluster import Cluster
from tests.replicas.server import Server
from tests.soak.agents import Agents
from tests.soak.canaries import KEYS, PROMPT, Traces
from tests.soak.client import judge
from tests.soak.hostile_engine import hostile_engine
from tests.soak.machine import Machine
from tests.soak.redis_pair import RedisPair
from tests.soak.slopes import Sample
from tests.soak.stage import Stage
from tests.soak.watch import Watch


@pytest.fixture(name="watch")
def _watch(tmp_path: Path) -> Iterator[Watch]:
    redis = RedisPair()
    cluster = Cluster(replicas=2, engines=0, engine_flags=(), gateway_flags=(), redis=redis.master)
    scene = Stage(
        cluster=cluster,
        redis=redis,
        machine=Machine(hosts=None, clock=None),
        named=Server("named", "engine", log=tmp_path / "named.log"),
        hostile=hostile_engine("emulated"),
        traces=Traces(),
        agents=Agents(cluster.replicas, 0),
        health=tmp_path / "health",
        keys=tmp_path / "keys",
        tasks=(tmp_path / "0", tmp_path / "1"),
        seconds=1.0,
        broken=set(cluster.replicas),
    )
    yield Watch(scene)
    redis.close()
    cluster.folder.rmdir()


def broken(watch: Watch) -> list[str]:
    return [rule.split(" ")[0] + " " + rule.split(" ")[1] for rule, found in watch.broken.items() if found]


async def test_nothing_is_broken_if_only_faults_have_killed_gateways(watch: Watch) -> None:
    await watch.look()

    assert broken(watch) == []


async def test_a_gateway_that_ended_by_itself_is_noticed(watch: Watch) -> None:
    watch.stage.broken.clear()

    await watch.look()

    assert broken(watch) == ["no gateway"]


async def test_an_exception_and_a_secret_in_a_log_are_noticed(watch: Watch) -> None:
    log = watch.stage.cluster.folder / "replica-0.log"
    log.write_text(f"Traceback (most recent call last):\n {KEYS['small']}")

    await watch.look()
    log.unlink()

    assert broken(watch) == ["no unhandled", "no secret"]


async def test_an_answer_that_is_not_valid_is_noticed(watch: Watch) -> None:
    watch.stage.agents.note(watch.stage.cluster.replicas[0], judge(b"hello\r\n\r\n"))

    await watch.look()

    assert broken(watch) == ["every answer"]


@pytest.mark.parametrize(("plain_ms", "found"), [(2.0, ["`/healthz` takes"]), (4950.0, [])])
def test_a_health_check_that_is_later_than_the_machine_is_noticed(
    watch: Watch, plain_ms: float, found: list[str]
) -> None:
    watch.stage.health.write_text(f"plain 10.0 {plain_ms}\nreplica-0 10.0 5000.0\nreplica-0 20.0 3.0\nreplica-1 20")

    assert watch.judge_health().gateways == [5000.0, 3.0]
    assert broken(watch) == found


@pytest.mark.parametrize(("seconds", "found"), [(600, []), (1800, ["memory grows"])])
def test_growth_of_a_long_run_is_noticed(watch: Watch, seconds: int, found: list[str]) -> None:
    watch.samples["replica-0", 1] = [
        Sample(at=at, rss_mb=80 + 2 * at / 3600, files=20, tasks=9) for at in range(0, seconds + 1, 60)
    ]

    assert watch.judge_growth() is bool(found)
    assert broken(watch) == found


def test_a_secret_in_a_trace_is_noticed(watch: Watch) -> None:
    watch.stage.traces.take("/v1/traces", PROMPT.encode())

    assert watch.stage.traces.found == {PROMPT}
