"""Engines with different models behind one gateway."""

import pytest

from concur_proxy.relay.passing import MAX_LIST_BYTES
from tests.http.running_gateway import RunningGateway, running_gateway
from tests.http.scripted_engine import Exchange, ScriptedEngine, answer, answers, model_list, scripted_engine


async def lists_or_answers(exchange: Exchange) -> None:
    """Answer a client with the engine's models."""
    await exchange.json(model_list("base", "lora") if exchange.request.target == "/v1/models" else answer())


async def lists_other(exchange: Exchange) -> None:
    await exchange.json(model_list("other") if exchange.request.target == "/v1/models" else answer())


async def known(gateway: RunningGateway, *engines: ScriptedEngine) -> None:
    """Wait until the gateway has read the engines' lists."""
    monitors = {monitor.engine: monitor for monitor in gateway.app.monitors}
    await gateway.until(
        lambda: all(monitors[engine.url].models == frozenset(engine.models or ()) for engine in engines)
    )


async def test_a_request_goes_to_an_engine_that_serves_its_model() -> None:
    async with (
        scripted_engine(models=["base", "lora"]) as one,
        scripted_engine(models=["other"]) as two,
        running_gateway(one.url, two.url) as gateway,
    ):
        await known(gateway, one, two)
        for number, model in enumerate(["other", "lora", "other", "base"]):
            assert (await gateway.chat(f"s{number}", model=model)).status_code == 200
        assert [len(one.received), len(two.received)] == [2, 2]
        assert {request.body.count(b'"other"') for request in two.received} == {1}


async def test_a_request_without_tokens_follows_its_model_too() -> None:
    async with (
        scripted_engine(models=["base"]) as one,
        scripted_engine(models=["embed", "org/embed"]) as two,
        running_gateway(one.url, two.url) as gateway,
    ):
        await known(gateway, one, two)
        await gateway.client.post("/v1/embeddings", json={"model": "embed", "input": "x"})
        await gateway.client.post("/v1/audio/transcriptions", data={"model": "embed"}, files={"file": b"wav"})
        await gateway.client.get("/v1/models/org/embed")
        assert (len(one.received), len(two.received)) == (0, 3)
        await gateway.client.post("/tokenize", json={"model": "nobody's", "prompt": "x"})
        await gateway.client.get("/version")
        assert (len(one.received), len(two.received)) == (2, 3)


async def test_an_unknown_model_is_the_engines_to_refuse() -> None:
    refusal = b'{"error":{"message":"The model `x` does not exist."}}'
    async with (
        scripted_engine(models=["base"], script=answers("404 Not Found", refusal)) as one,
        scripted_engine(models=["other"], script=answers("404 Not Found", refusal)) as two,
        running_gateway(one.url, two.url) as gateway,
    ):
        await known(gateway, one, two)
        response = await gateway.chat(model="x")
        assert (response.status_code, response.content) == (404, refusal)


async def test_the_list_of_models_is_that_of_all_engines() -> None:
    async with (
        scripted_engine(models=["base", "lora"], script=lists_or_answers) as one,
        scripted_engine(models=["other"], script=lists_other) as two,
        running_gateway(one.url, two.url) as gateway,
    ):
        await known(gateway, one, two)
        response = await gateway.client.get("/v1/models", headers={"authorization": "Bearer k"})
        assert [card["id"] for card in response.json()["data"]] == ["base", "lora", "other"]
        assert response.headers["content-type"] == "application/json"
        for engine in (one, two):
            assert engine.received[-1].header("authorization") == "Bearer k"
        await two.stop()
        await gateway.until(lambda: two.url in gateway.app.coordinator.fleet.down)
        response = await gateway.client.get("/v1/models")
        assert response.json() == model_list("base", "lora"), "one engine's own answer, as it is"


async def test_a_list_that_is_too_large_is_left_out() -> None:
    async def lists_too_many(exchange: Exchange) -> None:
        await exchange.json({"object": "list", "data": [{"id": "x" * MAX_LIST_BYTES}]})

    async with (
        scripted_engine(models=["base", "lora"], script=lists_or_answers) as one,
        scripted_engine(models=["other"], script=lists_too_many) as two,
        running_gateway(one.url, two.url) as gateway,
    ):
        await known(gateway, one, two)
        response = await gateway.client.get("/v1/models")
        assert [card["id"] for card in response.json()["data"]] == ["base", "lora"]


@pytest.mark.parametrize("status", ["401 Unauthorized", "404 Not Found"])
async def test_where_no_engine_gives_a_list_its_own_answer_passes(status: str) -> None:
    async with (
        scripted_engine(script=answers(status, b"no")) as one,
        scripted_engine(script=answers(status, b"no")) as two,
        running_gateway(one.url, two.url) as gateway,
    ):
        response = await gateway.client.get("/v1/models")
        assert (response.status_code, response.content) == (int(status[:3]), b"no")


async def test_an_engine_that_hangs_or_breaks_is_left_out_of_the_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("concur_proxy.relay.passing.LIST_TIMEOUT_S", 0.2)

    async def breaks(exchange: Exchange) -> None:
        exchange.die()

    async def hangs(exchange: Exchange) -> None:
        await exchange.client_left()

    async with (
        scripted_engine(script=breaks) as one,
        scripted_engine(script=hangs) as two,
        scripted_engine(script=lists_other) as three,
        running_gateway(one.url, two.url, three.url) as gateway,
    ):
        assert (await gateway.client.get("/v1/models")).json() == model_list("other")


async def test_a_list_is_read_anew_when_its_engine_is_back() -> None:
    async with (
        scripted_engine(models=["base"]) as one,
        scripted_engine(models=["other"]) as two,
        running_gateway(one.url, two.url) as gateway,
    ):
        await known(gateway, one, two)
        port = int(two.url.rpartition(":")[2])
        await two.stop()
        await gateway.until(lambda: two.url in gateway.app.coordinator.fleet.down)
        two.models = ["new"]
        await two.start(port)
        await known(gateway, two)
        await gateway.chat(model="new")
        assert len(two.received) == 1


async def test_engines_that_want_a_key_tell_their_models_to_who_has_it() -> None:
    async with (
        scripted_engine(models=["base"], key="sk-1") as one,
        scripted_engine(models=["other"], key="sk-1") as two,
    ):
        async with running_gateway(one.url, two.url, engine_api_key="sk-1") as gateway:
            await known(gateway, one, two)
            assert (await gateway.chat("a", model="other")).status_code == 200
        assert (len(one.received), len(two.received)) == (0, 1)
        assert two.received[0].header("authorization") is None  # a client's request has the client's key, or no key
