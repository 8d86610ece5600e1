"""Several real worker processes answer `/metrics` as one."""

import asyncio
import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from secrets import token_hex
from typing import cast

import pytest
from prometheus_client import CollectorRegistry, Counter, Metric
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.openmetrics.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from concur_proxy.server import worker_metrics
from concur_proxy.server.worker_metrics import WorkerMetrics, connect
from tests.cli.test_serve import gateway
from tests.coordination.redis_server import RedisServer
from tests.docs.processes import running
from tests.server.test_workers import _until

OPENMETRICS = "application/openmetrics-text; version=1.0.0"


def fetch(url: str, accept: str = "text/plain") -> str:
    """The page of metrics, over a connection of its own: the system gives it to any worker."""
    request = urllib.request.Request(f"{url}/metrics", headers={"accept": accept, "connection": "close"})  # noqa: S310
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - our own process
        return str(answer.read().decode())


def families(url: str) -> dict[str, Metric]:
    found = list(text_string_to_metric_families(fetch(url)))
    names = [family.name for family in found]
    assert len(names) == len(set(names)), "a family is written twice"
    return {family.name: family for family in found}


def workers(url: str) -> set[str]:
    """The workers with metrics."""
    return {sample.labels["worker"] for family in families(url).values() for sample in family.samples}


def ask(url: str) -> None:
    body = {"model": "emulated", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 2}
    headers = {"content-type": "application/json", "connection": "close"}
    request = urllib.request.Request(f"{url}/v1/chat/completions", json.dumps(body).encode(), headers)  # noqa: S310
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
        answer.read()


def answered(url: str) -> float:
    """Requests that all workers together have answered."""
    samples = families(url)["concur_request_duration_seconds"].samples
    return sum(sample.value for sample in samples if sample.name.endswith("_count"))


@contextmanager
def two_workers(redis: RedisServer) -> Iterator[str]:
    flags = ("--workers", "2", "--store", "redis", "--redis-url", redis.url, "--redis-prefix", token_hex(4))
    with running("engine") as engine, gateway("--engine", engine, *flags) as (process, url):
        _until(lambda: workers(url) == {"0", "1"}, "both workers are there")
        yield url
        process.terminate()  # the parent passes it on; a killed one would leave its workers behind
        process.wait(30)


@pytest.mark.timeout(60)
def test_every_scrape_shows_all_workers_and_counters_never_fall(redis: RedisServer) -> None:
    with two_workers(redis) as url:
        for number in range(1, 5):
            ask(url)
            _until(lambda expected=number: answered(url) == expected, "each request is counted once")  # type: ignore[misc]
            assert workers(url) == {"0", "1"}
        (roles,) = [family for name, family in families(url).items() if name == "concur_store_role"]
        leading = [sample for sample in roles.samples if sample.labels["role"] == "leading"]
        assert sorted(sample.value for sample in leading) == [0, 1]
        parsed = list(openmetrics.text_string_to_metric_families(fetch(url, OPENMETRICS)))  # type: ignore[no-untyped-call]
        assert {sample.labels["worker"] for family in parsed for sample in family.samples} == {"0", "1"}


async def test_a_worker_that_does_not_answer_is_left_out_and_its_successor_has_its_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(worker_metrics, "TIMEOUT_S", 0.1)
    registries = [CollectorRegistry(), CollectorRegistry()]
    for number, registry in enumerate(registries):
        Counter("concur_done", "Things done", registry=registry).inc(number + 1, {"trace_id": f"t{number}"})
    mailboxes, alive = connect(2)
    asked, other = (WorkerMetrics(box, registry) for box, registry in zip(mailboxes, registries, strict=True))

    async def done() -> dict[str, float]:
        (family,) = (await asked.collect()).collect()
        return {each.labels["worker"]: each.value for each in family.samples if each.name == "concur_done_total"}

    assert await done() == {"0": 1}
    task = asyncio.create_task(other.run())
    await asyncio.sleep(0)
    assert await done() == {"0": 1, "1": 2}
    assert '"t1"' in generate_latest(cast("CollectorRegistry", await asked.collect())).decode()  # type: ignore[no-untyped-call]
    task.cancel()
    monkeypatch.setattr(worker_metrics, "TIMEOUT_S", 0.0)
    for _ in range(50):  # nobody reads them, so the mailbox of the dead one is full some time
        assert await done() == {"0": 1}
    monkeypatch.setattr(worker_metrics, "TIMEOUT_S", 5.0)
    task = asyncio.create_task(other.run())
    await asyncio.sleep(0)
    assert await done() == {"0": 1, "1": 2}
    task.cancel()
    mailboxes[0].door.close()
    for end in (alive, mailboxes[0].parent, *(end for pair in mailboxes[0].pairs for end in pair)):
        end.close()
