import asyncio
from collections.abc import Iterator
from contextlib import closing

import httpx
import pytest

from concur_proxy.lab.demo.fleet import AgentFleet
from concur_proxy.lab.demo.workload import Workload, write_scripts
from tests.real_engine.gateway import gateway
from tests.real_engine.server import EngineServer
from tests.real_engine.ways import Way, until

SMALL = ("--law", "static", "--no-work-conserving", "--idle-lease", "0", "--log-level", "warning")


@pytest.fixture
def one_place(engine: EngineServer) -> Iterator[Way]:
    """A gateway with room for one session. An idle session loses its place when another one waits."""
    with gateway(engine.url, *SMALL, "--set", "window=1") as url, closing(Way(url)) as way:
        yield way


LONG = 3900
"""Tokens of an answer that takes longer than the test looks at it; the test cancels it."""


async def ask(client: httpx.AsyncClient, session: str, tokens: int = 5) -> httpx.Response:
    body = {
        "model": "tiny",
        "messages": [{"role": "user", "content": f"I am {session}"}],
        "max_tokens": tokens,
        "ignore_eos": True,
    }
    return await client.post("/v1/chat/completions", json=body, headers={"x-session-id": session})


async def test_a_session_pauses_for_another_and_resumes(engine: EngineServer, one_place: Way) -> None:
    read = one_place.series.read
    async with httpx.AsyncClient(base_url=one_place.url, timeout=60, trust_env=False) as client:
        assert (await ask(client, "a")).status_code == 200
        other = asyncio.create_task(ask(client, "b", LONG))
        await until(lambda: engine.in_flight() == 1, "b is at the engine")
        assert read("concur_pauses_total", reason="lease") == 1
        again = asyncio.create_task(ask(client, "a"))
        await until(lambda: read("concur_held_requests") == 1, "a waits")
        assert read("concur_sessions", state="paused") == 1
        assert engine.in_flight() == 1
        other.cancel()
        assert (await again).json()["usage"]["completion_tokens"] == 5
    assert read("concur_admissions_total") == 2
    assert read("concur_resumes_total") == 1


async def test_a_waiting_request_whose_client_leaves_never_reaches_it(engine: EngineServer, one_place: Way) -> None:
    before = engine.finished()
    read = one_place.series.read
    async with httpx.AsyncClient(base_url=one_place.url, timeout=60, trust_env=False) as client:
        first = asyncio.create_task(ask(client, "a", LONG))
        await until(lambda: engine.in_flight() == 1, "a is at the engine")
        second = asyncio.create_task(ask(client, "b"))
        await until(lambda: read("concur_held_requests") == 1, "b waits")
        second.cancel()
        await until(lambda: read("concur_held_requests") == 0, "b has left the queue")
        first.cancel()
        assert (await ask(client, "c")).status_code == 200
    await until(lambda: engine.in_flight() == 0, "the engine is idle")
    assert engine.finished() == before + 1
    assert read("concur_admissions_total") == 2


async def test_sub_agents_of_one_session_run_at_once_in_its_one_place(engine: EngineServer, one_place: Way) -> None:
    async with httpx.AsyncClient(base_url=one_place.url, timeout=60, trust_env=False) as client:
        agents = [asyncio.create_task(ask(client, "a", LONG // 2)) for _ in range(2)]
        await until(lambda: engine.in_flight() == 2, "both are at the engine")
        assert one_place.series.read("concur_sessions", state="active") == 1
        for agent in agents:
            agent.cancel()
    await until(lambda: engine.in_flight() == 0, "the engine is idle")
    assert one_place.series.read("concur_admissions_total") == 1


async def test_a_fleet_larger_than_the_window_finishes_through_pauses_and_resumes(engine: EngineServer) -> None:
    workload = Workload(agents=6, turns=4, shared_tokens=64, first_tokens=200, growth_tokens=80, answer_tokens=40)
    before = engine.finished()
    with gateway(engine.url, *SMALL, "--set", "window=2") as url, closing(Way(url)) as way:
        fleet = AgentFleet(base_url=url, model="tiny", scripts=write_scripts(workload), time_scale=40)
        running = asyncio.create_task(fleet.run())
        most = 0.0
        while not running.done():
            await asyncio.sleep(0.05)
            most = max(most, way.series.read("concur_sessions", state="active"))
        progress = await running
        assert (progress.failures, progress.finished_agents, progress.turns) == ([], 6, 24)
        assert most == 2
        assert way.series.read("concur_admissions_total") == 6
        assert way.series.read("concur_pauses_total") >= way.series.read("concur_resumes_total") > 0
    assert engine.finished() == before + 24
