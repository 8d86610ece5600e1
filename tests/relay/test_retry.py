"""Engines that fail before they answer, and a second engine that answers then."""

import asyncio

import pytest

from tests.http.running_gateway import running_gateway
from tests.http.scripted_engine import Exchange, Script, answer, answer_at_once, answers, scripted_engine, sessions

NEVER = 60.0
"""No scrape in the test's time tells of an engine before a request does."""


async def dies(exchange: Exchange) -> None:
    exchange.die()


def dies_once(then: Script = answer_at_once) -> Script:
    """Breaks the first request off."""
    seen: list[Exchange] = []

    async def script(exchange: Exchange) -> None:
        seen.append(exchange)
        await (dies if len(seen) == 1 else then)(exchange)

    return script


@pytest.mark.parametrize("stream", [True, False])
async def test_a_request_that_an_engine_never_got_goes_to_another_with_its_session(*, stream: bool) -> None:
    async with (
        scripted_engine() as one,
        scripted_engine() as two,
        running_gateway(
            one.url, two.url, scrape_interval_s=NEVER, stale_after_s=2 * NEVER, fail_open_after_s=300
        ) as gateway,
    ):
        await gateway.until(lambda: one.scrapes > 0 and two.scrapes > 0)
        assert (await gateway.chat("s")).status_code == 200
        assert sessions(one) == ["s"]
        await one.stop()
        assert (await gateway.chat("s", stream=stream)).status_code == 200
        assert (await gateway.chat("s")).status_code == 200
        assert sessions(two) == ["s", "s"]
        snapshot = gateway.snapshot(1)
        assert (snapshot.active, snapshot.in_flight, gateway.snapshot(0).active) == (1, 0, 0)
        assert snapshot.promised_tokens == 10, "only the last one came back to a cache, and it repeats no answer"
        assert await gateway.metric("concur_retries_total", reason="unreachable") == 1
        assert await gateway.metric("concur_engine_circuit", engine=one.url, state="open") == 1


async def test_a_request_that_broke_off_before_it_was_answered_is_computed_elsewhere_once() -> None:
    async with (
        scripted_engine(script=dies) as one,
        scripted_engine(script=dies_once()) as two,
        running_gateway(one.url, two.url) as gateway,
    ):
        assert (await gateway.chat("s")).json()["error"]["code"] == "engine_broke", "a second one is not retried again"
        assert (len(one.received), len(two.received)) == (1, 1)
        response = await gateway.chat("t")
        assert (response.status_code, response.json()) == (200, answer())
        assert await gateway.metric("concur_retries_total", reason="broke") == 2
        for number in (0, 1):
            await gateway.settled(number)


async def test_a_response_that_may_be_kept_is_not_made_twice() -> None:
    async with (
        scripted_engine(script=dies) as one,
        scripted_engine() as two,
        running_gateway(one.url, two.url) as gateway,
    ):
        body = {"model": "m", "input": "x"}
        response = await gateway.client.post("/v1/responses", json=body)
        assert (response.status_code, len(two.received)) == (502, 0)
        assert (await gateway.client.post("/v1/responses", json={**body, "store": False})).status_code == 200
        assert len(two.received) == 1


async def test_a_request_that_makes_no_tokens_is_sent_on_too() -> None:
    async with (
        scripted_engine(script=dies) as one,
        scripted_engine() as two,
        running_gateway(one.url, two.url) as gateway,
    ):
        assert (await gateway.client.post("/v1/embeddings", json={"input": "x"})).json() == answer()
        assert (await gateway.client.post("/open_session", json={})).status_code == 502
        assert len(two.received) == 1


@pytest.mark.parametrize("status", ["429 Too Many Requests", "500 Oh", "502 Bad Gateway", "503 Service Unavailable"])
async def test_an_engines_own_answer_passes_whatever_it_is(status: str) -> None:
    async with (
        scripted_engine(script=answers(status, b"mine")) as one,
        scripted_engine() as two,
        running_gateway(one.url, two.url) as gateway,
    ):
        response = await gateway.chat("s")
        assert (response.status_code, response.content) == (int(status[:3]), b"mine")
        assert two.received == []


async def test_a_held_stream_that_has_begun_with_comments_goes_on_at_another_engine() -> None:
    release = asyncio.Event()

    async def waits(exchange: Exchange) -> None:
        await release.wait()
        await exchange.json(answer())

    async def streams(exchange: Exchange) -> None:
        await exchange.start_stream()
        await exchange.chunk(b"data: [DONE]\n\n")
        await exchange.chunk(b"")

    async with (
        scripted_engine(script=waits) as one,
        scripted_engine(script=streams) as two,
        running_gateway(
            one.url, two.url, law="static", law_options={"window": 1}, keepalive_comments_s=0.05, idle_lease=0
        ) as gateway,
    ):
        first = asyncio.create_task(gateway.chat("a"))
        await gateway.until(lambda: len(one.received) == 1)
        two.script = waits
        second = asyncio.create_task(gateway.chat("b"))
        await gateway.until(lambda: len(two.received) == 1)
        held = asyncio.create_task(gateway.chat("c", stream=True))
        await gateway.until(lambda: gateway.snapshot(0).held + gateway.snapshot(1).held == 1)
        await asyncio.sleep(0.12)
        one.script, two.script = dies, streams
        release.set()
        text = (await held).text
        assert text.startswith(": ")
        assert text.endswith("data: [DONE]\n\n")
        await asyncio.gather(first, second)


async def test_an_engine_that_keeps_failing_loses_its_sessions_until_it_answers_again() -> None:
    async with (
        scripted_engine(script=answers("500 Oh", b"no")) as one,
        scripted_engine() as two,
        running_gateway(one.url, two.url) as gateway,
    ):
        statuses = [(await gateway.chat("s")).status_code for _ in range(6)]
        assert statuses == [500] * 5 + [200]
        ready = (await gateway.client.get("/readyz")).json()
        assert [engine["circuit"] for engine in ready["engines"]] == ["open", "closed"]
        one.script = answer_at_once
        await gateway.until(lambda: one.url not in gateway.app.coordinator.fleet.down)
        assert (await gateway.chat("new")).status_code == 200
        assert sessions(one)[-1] == "new"
        ready = (await gateway.client.get("/readyz")).json()
        assert [engine["circuit"] for engine in ready["engines"]] == ["closed", "closed"]


async def test_an_engine_that_calls_itself_unhealthy_gets_no_new_sessions() -> None:
    async with (
        scripted_engine(health="503 Service Unavailable") as one,
        scripted_engine() as two,
        running_gateway(one.url, two.url, health_interval_s=0.02) as gateway,
    ):
        await gateway.until(lambda: one.url in gateway.app.coordinator.fleet.down)
        assert (await gateway.chat("s")).status_code == 200
        assert sessions(two) == ["s"]
        one.health = "200 OK"
        await gateway.until(lambda: one.url not in gateway.app.coordinator.fleet.down)


async def test_an_engine_that_falls_silent_is_left() -> None:
    async def hangs(exchange: Exchange) -> None:
        await exchange.client_left()

    async with (
        scripted_engine() as one,
        scripted_engine() as two,
        running_gateway(one.url, two.url, scrape_timeout_s=0.05) as gateway,
    ):
        await gateway.chat("s")
        one.metrics_script = hangs
        await gateway.until(lambda: one.url in gateway.app.coordinator.fleet.down)
        assert (await gateway.chat("s")).status_code == 200
        assert sessions(two) == ["s"]
