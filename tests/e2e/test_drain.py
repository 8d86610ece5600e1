"""SIGTERM: waiting requests are refused, requests in flight end, and the process ends in bounded time."""

import asyncio

import httpx
import pytest

from tests.e2e.gateway_process import gateway_process
from tests.http.scripted_engine import ScriptedEngine, answer, scripted_engine
from tests.http.staged_answer import COMPLETE, StagedAnswer


def one_place(engine: ScriptedEngine, *, drain_timeout_s: int) -> list[str]:
    return [
        *("--engine", engine.url, "--law", "static", "--set", "window=1"),
        *("--drain-timeout-s", str(drain_timeout_s)),
    ]


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
async def test_16_sigterm_refuses_held_requests_lets_answers_end_and_exits_with_0(*, stream: bool) -> None:
    staged = StagedAnswer(phase="mid-body", stream=stream)
    async with (
        scripted_engine(script=staged) as engine,
        gateway_process(*one_place(engine, drain_timeout_s=60)) as gateway,
    ):
        in_flight = asyncio.create_task(gateway.chat("a", stream=stream))
        await staged.reached.wait()
        held = [asyncio.create_task(gateway.chat(f"h{number}")) for number in range(3)]
        await gateway.until_held(3)
        gateway.terminate()
        for response in await asyncio.gather(*held):
            assert (response.status_code, response.headers["x-concur-reason"]) == (503, "draining")
            assert "retry-after" in response.headers
        assert not in_flight.done()
        staged.go_on.set()
        assert (await in_flight).content == COMPLETE[stream]
        status, log = await gateway.ended()
        assert status == 0
        assert "Traceback" not in log


async def until_refused(url: str) -> None:
    """Try until the port refuses; fails after 30 s. A connection accepted at the last moment is closed without an
    answer.
    """
    async with asyncio.timeout(30), httpx.AsyncClient(trust_env=False) as client:
        while True:
            try:
                await client.get(f"{url}/healthz", headers={"connection": "close"})
            except httpx.ConnectError:
                return
            except httpx.TransportError:
                pass


async def test_after_sigterm_no_connection_is_accepted() -> None:
    staged = StagedAnswer(phase="mid-body", stream=False)
    async with (
        scripted_engine(script=staged) as engine,
        gateway_process(*one_place(engine, drain_timeout_s=60)) as gateway,
    ):
        in_flight = asyncio.create_task(gateway.chat("a"))
        await staged.reached.wait()
        gateway.terminate()
        await until_refused(gateway.url)
        staged.go_on.set()
        assert (await in_flight).json() == answer()
        assert (await gateway.ended())[0] == 0


async def test_a_stream_that_never_ends_is_cut_off_when_its_time_is_up() -> None:
    staged = StagedAnswer(phase="mid-body", stream=True)
    async with (
        scripted_engine(script=staged) as engine,
        gateway_process(*one_place(engine, drain_timeout_s=1)) as gateway,
    ):
        endless = asyncio.create_task(gateway.chat("a", stream=True))
        await staged.reached.wait()
        gateway.terminate()
        with pytest.raises(httpx.RemoteProtocolError):
            await endless
        status, log = await gateway.ended()
        assert status == 0
        assert "Traceback" not in log
        await asyncio.wait_for(staged.left.wait(), 30)


async def test_an_answer_that_has_not_begun_in_time_is_an_error_in_the_api_s_shape() -> None:
    staged = StagedAnswer(phase="sent", stream=False)
    async with (
        scripted_engine(script=staged) as engine,
        gateway_process(*one_place(engine, drain_timeout_s=1)) as gateway,
    ):
        slow = asyncio.create_task(gateway.chat("a"))
        await staged.reached.wait()
        gateway.terminate()
        response = await slow
        assert (response.status_code, response.json()["error"]["code"]) == (503, "draining")
        status, log = await gateway.ended()
        assert status == 0
        assert "Traceback" not in log


async def test_an_idle_gateway_ends_at_once_whatever_its_clients_keep_open() -> None:
    async with scripted_engine() as engine, gateway_process(*one_place(engine, drain_timeout_s=600)) as gateway:
        assert (await gateway.chat("a")).status_code == 200
        gateway.terminate()
        assert (await gateway.ended())[0] == 0
