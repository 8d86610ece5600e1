"""The 25 defects found in the closest peer. This gateway has none of them.

Here: 1 to 9, 11 to 15, 17 to 25. Elsewhere:

| defect | what | shown in |
| --- | --- | --- |
| 9, 10 | a request that dies, or that reports no usage, gives its place up | test_kills.py, at every phase |
| 15 | comments to waiting streams; the client's own timeout limits the wait | test_keep_alive.py, test_sessions.py |
| 16 | SIGTERM drains and never hangs on waiting requests | tests/e2e/test_drain.py |
| 2 to 4, 6 | parsing in depth | tests/engines |
"""

import asyncio
from collections import Counter

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from concur_proxy.admission.changes import Resize
from tests.http.running_gateway import RunningGateway, running_gateway
from tests.http.scripted_engine import (
    Exchange,
    Hold,
    Received,
    answer,
    answer_at_once,
    scripted_engine,
    sessions,
)

ONE_PLACE = {"law": "static", "law_options": {"window": 1}}


async def test_1_the_window_follows_the_measured_cache() -> None:
    async with (
        scripted_engine(usage=0.9) as engine,
        running_gateway(engine.url, law="aimd", law_options={"initial": 64}) as gateway,
    ):

        def thrashed() -> bool:
            engine.queries += 1000  # no prompt is found in the cache
            return gateway.snapshot().window <= 2

        await gateway.until(thrashed)
        engine.usage = 0.05
        prompts = [[{"role": "user", "content": f"task {number}"}] for number in range(8)]
        asking = [asyncio.create_task(gateway.chat(f"s{n}", messages=prompt)) for n, prompt in enumerate(prompts)]
        await gateway.until(lambda: gateway.snapshot().window > 2)
        await asyncio.gather(*asking)


async def test_2_scientific_notation_is_read() -> None:
    async with scripted_engine(usage=4.2e-05) as engine, running_gateway(engine.url) as gateway:
        assert "4.2e-05" in engine.metrics_text()
        await gateway.until(lambda: gateway.app.monitors[0].rates is not None)
        assert await gateway.metric("concur_engine_kv_usage_ratio") == 4.2e-05


async def test_3_all_ranks_behind_a_port_are_counted() -> None:
    async with scripted_engine(running=3) as engine, running_gateway(engine.url) as gateway:
        second = engine.metrics_text().replace('engine="0"', 'engine="1"').replace("} 3\n", "} 90\n")
        engine.metrics = engine.metrics_text() + second
        await gateway.until(lambda: (rates := gateway.app.monitors[0].rates) is not None and rates.running == 93)


async def test_4_the_older_name_of_a_signal_is_read_and_a_missing_one_is_told() -> None:
    async with scripted_engine(usage=0.25) as engine, running_gateway(engine.url) as gateway:
        engine.metrics = engine.metrics_text().replace("kv_cache_usage_perc", "gpu_cache_usage_perc")
        await gateway.until(lambda: (rates := gateway.app.monitors[0].rates) is not None and rates.kv_usage == 0.25)
        engine.metrics = "some_other_series 1\n"
        await gateway.until(lambda: gateway.app.monitors[0].failure is not None)
        (detail,) = (await gateway.client.get("/readyz")).json()["engines"]
        assert "no series of a known engine" in detail["problem"]


async def test_5_an_engine_that_starts_late_or_again_is_measured_anew() -> None:
    async with scripted_engine(waiting=0) as engine:
        port = int(engine.url.rpartition(":")[2])
        await engine.stop()
        async with running_gateway(f"http://127.0.0.1:{port}", **ONE_PLACE) as gateway:
            assert (await gateway.client.get("/readyz")).status_code == 503
            monitor = gateway.app.monitors[0]
            for blocks in ("100", "300"):
                engine.blocks = blocks
                await engine.start(port)
                capacity = float(blocks) * 16
                await gateway.until(
                    lambda tokens=capacity: monitor.rates is not None and monitor.rates.capacity_tokens == tokens  # type: ignore[misc]
                )
                assert (await gateway.client.get("/readyz")).status_code == 200
                await engine.stop()


async def test_6_an_unknown_capacity_is_not_a_capacity_of_nothing() -> None:
    async with (
        scripted_engine(blocks="None", waiting=0) as engine,
        running_gateway(engine.url, law="static", law_options={"window": 2}) as gateway,
    ):
        await gateway.until(lambda: gateway.app.monitors[0].rates is not None)
        assert "concur_engine_capacity_tokens{" not in (await gateway.client.get("/metrics")).text
        assert (await gateway.chat("a")).status_code == (await gateway.chat("b")).status_code == 200
        # The window is full of idle sessions, and the engine reports no running and no waiting request.
        assert (await gateway.chat("c")).status_code == 200


async def test_7_finished_sessions_that_never_said_so_block_nobody_on_an_idle_engine() -> None:
    async with (
        scripted_engine(waiting=0) as engine,
        running_gateway(engine.url, law="static", law_options={"window": 2}, idle_lease=3600) as gateway,
    ):
        await gateway.until(lambda: gateway.app.monitors[0].rates is not None)
        for session in ("done", "done too", "new", "newer"):
            assert (await gateway.chat(session)).status_code == 200
        assert gateway.snapshot().active == 4


async def test_8_a_small_session_passes_a_dead_entry_when_the_engine_has_room() -> None:
    hold = Hold()
    async with scripted_engine(script=hold) as engine, running_gateway(engine.url, **ONE_PLACE) as gateway:
        first = asyncio.create_task(gateway.chat("a"))
        await gateway.until(lambda: engine.in_flight == 1)
        dead = asyncio.create_task(gateway.chat("dead"))
        await gateway.until(lambda: gateway.snapshot().held == 1)
        dead.cancel()
        await gateway.until(lambda: gateway.snapshot().held == 0)
        engine.script, engine.running, engine.waiting = answer_at_once, 1, 0
        assert (await gateway.chat("small")).status_code == 200
        hold.open.set()
        await first
        assert sessions(engine) == ["a", "small"]


async def test_9_a_client_gone_while_queued_takes_no_capacity_later() -> None:
    hold = Hold()
    async with (
        scripted_engine(script=hold) as engine,
        running_gateway(engine.url, **ONE_PLACE, idle_lease=0) as gateway,
    ):
        first = asyncio.create_task(gateway.chat("a"))
        await gateway.until(lambda: engine.in_flight == 1)
        gone = asyncio.create_task(gateway.chat("gone"))
        await gateway.until(lambda: gateway.snapshot().held == 1)
        next_one = asyncio.create_task(gateway.chat("b"))
        await gateway.until(lambda: gateway.snapshot().held == 2)
        gone.cancel()
        await gateway.until(lambda: gateway.snapshot().held == 1)
        hold.open.set()
        await asyncio.gather(first, next_one)
        assert sessions(engine) == ["a", "b"]
        assert await gateway.metric("concur_queue_wait_seconds_count", outcome="client_gone") == 1


async def test_11_a_session_is_idle_only_when_the_last_of_its_parallel_calls_has_ended() -> None:
    hold = Hold()
    async with (
        scripted_engine() as engine,
        running_gateway(engine.url, **ONE_PLACE, idle_lease=0) as gateway,
    ):
        engine.script = hold
        slow = asyncio.create_task(gateway.chat("a"))
        await gateway.until(lambda: engine.in_flight == 1)
        engine.script = answer_at_once
        assert (await gateway.chat("a")).status_code == 200
        other = asyncio.create_task(gateway.chat("b"))
        await gateway.until(lambda: gateway.snapshot().held == 1)
        assert gateway.snapshot().in_flight == 1
        assert sessions(engine) == ["a", "a"]
        hold.open.set()
        await asyncio.gather(slow, other)
        assert sessions(engine) == ["a", "a", "b"]


async def test_12_requests_without_a_key_are_sessions_of_their_own() -> None:
    hold = Hold()
    async with scripted_engine(script=hold) as engine, running_gateway(engine.url, **ONE_PLACE) as gateway:
        asking = [asyncio.create_task(gateway.chat()) for _ in range(3)]
        await gateway.until(lambda: gateway.snapshot().waiting == 2 and engine.in_flight == 1)
        hold.open.set()
        assert [response.status_code for response in await asyncio.gather(*asking)] == [200] * 3
        assert engine.most_in_flight == 1
        assert await gateway.metric("concur_unkeyed_requests_total") == 3
        assert len(gateway.app.coordinator.fleet.gates[engine.url].sessions) == 3


async def test_13_the_client_s_headers_reach_the_engine() -> None:
    headers = {
        "Authorization": "Bearer secret",
        "X-Request-Id": "r1",
        "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "X-data-parallel-rank": "1",
    }
    async with scripted_engine() as engine, running_gateway(engine.url) as gateway:
        await gateway.client.post("/v1/chat/completions", json={}, headers=headers)
        assert {name: engine.received[0].header(name.lower()) for name in headers} == headers


async def test_14_all_of_the_engines_apis_pass() -> None:
    paths = [
        "/v1/chat/completions",
        "/v1/completions",
        "/v1/responses",
        "/v1/messages",
        "/v1/messages/count_tokens",
        "/v1/embeddings",
        "/v1/rerank",
        "/score",
        "/classify",
        "/v1/audio/transcriptions",
        "/tokenize",
        "/detokenize",
        "/generate",
    ]
    async with scripted_engine() as engine, running_gateway(engine.url) as gateway:
        for path in paths:
            assert (await gateway.client.post(path, json={"model": "m"})).json() == answer(), path
        for path in ("/v1/models", "/version", "/health"):
            assert (await gateway.client.get(path)).json() == answer(), path
        assert [request.target for request in engine.received[: len(paths)]] == paths


async def test_15_beyond_the_queue_s_bound_is_a_429_whose_retry_after_is_computed() -> None:
    hold = Hold()

    async def refused(gateway: RunningGateway) -> httpx.Response:
        waiting = [asyncio.create_task(gateway.chat(f"s{number}")) for number in range(3)]
        await gateway.until(lambda: gateway.snapshot().waiting == 2)
        response = await gateway.chat("one too many")
        hold.open.set()
        await asyncio.gather(*waiting)
        return response

    async with (
        scripted_engine(script=hold) as engine,
        running_gateway(engine.url, **ONE_PLACE, idle_lease=0, max_waiting_sessions=2) as gateway,
    ):
        response = await refused(gateway)
        assert (response.status_code, response.headers["x-concur-reason"]) == (429, "queue_full")
        assert response.headers["x-should-retry"] == "true"
        assert response.json()["error"]["code"] == "queue_full"
        # No session has left the queue yet: each of the three places gets a cautious estimate.
        assert response.headers["retry-after"] == "15"
        # Since then, a place has taken milliseconds.
        hold.open.clear()
        assert (await refused(gateway)).headers["retry-after"] == "1"


async def test_15_a_hold_ends_with_a_429_and_a_retry_after() -> None:
    hold = Hold()
    async with (
        scripted_engine(script=hold) as engine,
        running_gateway(engine.url, **ONE_PLACE, max_hold_s=0.2) as gateway,
    ):
        first = asyncio.create_task(gateway.chat("a"))
        await gateway.until(lambda: engine.in_flight == 1)
        response = await gateway.chat("b")
        assert (response.status_code, response.headers["x-concur-reason"]) == (429, "hold_timeout")
        assert "place 1 in the queue" in response.json()["error"]["message"]
        assert int(response.headers["retry-after"]) >= 1
        assert gateway.snapshot().waiting == 0
        hold.open.set()
        await first


async def test_17_metrics_are_prometheus_text() -> None:
    async with scripted_engine() as engine, running_gateway(engine.url) as gateway:
        await gateway.chat("a")
        response = await gateway.client.get("/metrics")
        assert response.headers["content-type"].startswith("text/plain; version=")
        names = {family.name for family in text_string_to_metric_families(response.text)}
        assert {"concur_window_sessions", "concur_sessions", "concur_queue_wait_seconds"} <= names


async def test_18_an_engine_that_is_down_is_told_as_such_until_it_is_back() -> None:
    async with scripted_engine() as engine, running_gateway(engine.url) as gateway:
        assert (await gateway.chat("a")).status_code == 200
        port = int(engine.url.rpartition(":")[2])
        await engine.stop()
        response = await gateway.chat("a")
        assert (response.status_code, response.headers["x-concur-reason"]) == (502, "engine_unreachable")
        assert response.json()["error"]["type"] == "server_error"
        ready = await gateway.client.get("/readyz")
        assert (ready.status_code, ready.json()["status"]) == (503, "no engine can be reached")
        assert await gateway.metric("concur_engine_up") == 0
        assert (await gateway.client.get("/healthz")).status_code == 200
        await engine.start(port)
        await gateway.until(lambda: gateway.app.monitors[0].is_up)
        assert (await gateway.client.get("/readyz")).status_code == 200
        assert (await gateway.chat("a")).status_code == 200


async def test_19_a_body_that_is_no_object_is_a_400() -> None:
    async with scripted_engine() as engine, running_gateway(engine.url) as gateway:
        response = await gateway.client.post("/v1/chat/completions", json=[{"model": "m"}])
        assert (response.status_code, response.json()["error"]["code"]) == (400, "body_not_object")
        assert engine.received == []


async def test_20_and_21_under_flapping_windows_no_turn_fails_and_every_session_stays_on_its_engine() -> None:
    async with (
        scripted_engine() as one,
        scripted_engine() as two,
        running_gateway(one.url, two.url, law="static", law_options={"window": 4}, idle_lease=0) as gateway,
    ):
        flapping = True

        async def flap() -> None:
            window = 1.0
            while flapping:
                for engine in (one, two):
                    gateway.app.coordinator.apply(Resize(engine=engine.url, window=window))
                window = window % 4 + 1
                await asyncio.sleep(0.001)

        async def agent(number: int) -> list[int]:
            return [(await gateway.chat(f"s{number}")).status_code for _ in range(4)]

        flapper = asyncio.create_task(flap())
        statuses = await asyncio.gather(*(agent(number) for number in range(24)))
        flapping = False
        await flapper
        assert Counter(status for turns in statuses for status in turns) == {200: 96}
        assert set(sessions(one)).isdisjoint(sessions(two))
        assert len(one.received) + len(two.received) == 96
        assert one.received
        assert two.received
        for number in (0, 1):
            await gateway.settled(number)


async def test_22_a_place_is_handed_on_when_it_is_free_not_at_a_tick() -> None:
    hold = Hold()
    async with (
        scripted_engine(script=hold) as engine,
        running_gateway(engine.url, **ONE_PLACE, idle_lease=0, scrape_interval_s=60, stale_after_s=61,
                        fail_open_after_s=61) as gateway,
    ):  # fmt: skip
        asking = [asyncio.create_task(gateway.chat(f"s{number}")) for number in range(5)]
        await gateway.until(lambda: gateway.snapshot().waiting == 4 and engine.scrapes > 0)
        scrapes = engine.scrapes
        hold.open.set()
        await asyncio.gather(*asking)
        assert engine.scrapes == scrapes


async def test_22_a_slow_engine_delays_no_other_s_signals() -> None:
    async def hang(exchange: Exchange) -> None:
        await exchange.client_left()

    async with (
        scripted_engine(metrics_script=hang) as slow,
        scripted_engine() as quick,
        running_gateway(slow.url, quick.url, scrape_timeout_s=60) as gateway,
    ):
        await gateway.until(lambda: quick.scrapes > 3)
        assert slow.scrapes == 1


async def test_23_waiting_sessions_are_served_in_order_of_arrival_whatever_their_size() -> None:
    hold = Hold()
    async with (
        scripted_engine(script=hold) as engine,
        running_gateway(engine.url, **ONE_PLACE, idle_lease=0) as gateway,
    ):
        asking = [asyncio.create_task(gateway.chat("a"))]
        await gateway.until(lambda: engine.in_flight == 1)
        for held, (session, size) in enumerate({"large": 50_000, "small": 1, "medium": 5_000}.items(), start=1):
            asking.append(asyncio.create_task(gateway.chat(session, padding="x" * size)))
            await gateway.until(lambda number=held: gateway.snapshot().held == number)  # type: ignore[misc]
        hold.open.set()
        await asyncio.gather(*asking)
        assert sessions(engine) == ["a", "large", "small", "medium"]


def _asks_usage(request: Received) -> bool:
    return b"include_usage" in request.body


@pytest.mark.parametrize("asked", ["asked for", "not asked for"])
async def test_24_usage_is_counted_and_shown_only_to_a_client_that_asked_for_it(asked: str) -> None:
    content = b'data: {"id":"1","choices":[{"index":0,"delta":{"content":"one"},"finish_reason":"stop"}]}\n\n'
    usage = b'data: {"id":"1","choices":[],"usage":{"prompt_tokens":30,"completion_tokens":12}}\n\n'

    async def stream(exchange: Exchange) -> None:
        await exchange.start_stream()
        for event in (content, usage, b"data: [DONE]\n\n", b""):
            await exchange.chunk(event)

    async with scripted_engine(script=stream) as engine, running_gateway(engine.url) as gateway:
        options = {"stream_options": {"include_usage": True}} if asked == "asked for" else {}
        await gateway.chat("a", stream=True)  # the first stream shows what the engine reports unasked
        response = await gateway.chat("a", stream=True, **options)
        assert response.content == content + (usage if options else b"") + b"data: [DONE]\n\n"
        assert _asks_usage(engine.received[1])
        assert gateway.snapshot().footprint_tokens == 42


async def test_25_what_is_known_of_silent_sessions_is_forgotten() -> None:
    async with scripted_engine() as engine, running_gateway(engine.url, session_ttl_s=0.1) as gateway:
        for number in range(10):
            await gateway.chat(f"s{number}")
        # One timer ends all waits, also without another request.
        await gateway.until(lambda: len(gateway.app.coordinator.fleet.gates[engine.url].sessions) == 0)
        assert await gateway.metric("concur_ended_sessions_total", reason="idle") == 10
