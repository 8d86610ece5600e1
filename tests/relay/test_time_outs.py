"""Engines that are silent for longer than an operator allows."""

import httpx
import pytest

from tests.http.running_gateway import running_gateway
from tests.http.scripted_engine import Exchange, answer_at_once, scripted_engine


async def silent(exchange: Exchange) -> None:
    await exchange.client_left()


async def silent_after_its_head(exchange: Exchange) -> None:
    await exchange.start_stream()
    await exchange.client_left()


async def test_a_request_without_an_answer_gets_an_error_and_its_engine_keeps_its_good_name() -> None:
    async with (
        scripted_engine(script=silent) as engine,
        running_gateway(engine.url, engine_first_byte_timeout_s=0.1) as gateway,
    ):
        for number in range(6):
            refused = await gateway.chat(f"s{number}")
            assert (refused.status_code, refused.json()["error"]["code"]) == (504, "engine_timed_out")
            assert "no answer within 0.1 s" in refused.json()["error"]["message"]
            assert refused.headers["x-should-retry"] == "true"
        engine.script = answer_at_once
        assert (await gateway.chat("next")).status_code == 200
        await gateway.settled()


async def test_another_engine_answers_if_the_first_is_silent() -> None:
    async with (
        scripted_engine(script=silent) as first,
        scripted_engine() as second,
        running_gateway(first.url, second.url, engine_first_byte_timeout_s=0.1) as gateway,
    ):
        assert [(await gateway.chat(f"s{number}")).status_code for number in range(4)] == [200] * 4
        await gateway.settled()


async def test_an_answer_that_stops_is_cut_off() -> None:
    async with (
        scripted_engine(script=silent_after_its_head) as engine,
        running_gateway(engine.url, engine_idle_timeout_s=0.1) as gateway,
    ):
        with pytest.raises(httpx.RemoteProtocolError):
            await gateway.chat("a", stream=True)
        engine.script = answer_at_once
        assert (await gateway.chat("b")).status_code == 200
        await gateway.settled()
