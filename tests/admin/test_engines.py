"""Engines added and given up by HTTP."""

import asyncio

import pytest
from starlette.requests import Request

from concur_proxy.admin.access import refusal
from tests.http.running_gateway import running_gateway
from tests.http.scripted_engine import Hold, scripted_engine, sessions

PATH = "/concur/v1/engines"


async def test_an_engine_is_added_and_used_at_once() -> None:
    async with (
        scripted_engine(models=["m"]) as one,
        scripted_engine(models=["m"]) as two,
        running_gateway(one.url) as gateway,
    ):
        await gateway.chat("a")
        for _ in range(2):
            response = await gateway.client.post(PATH, json={"engine": f"{two.url}/"})
            assert (response.status_code, response.json()["engines"]) == (200, [one.url, two.url])
        await gateway.until(lambda: len(gateway.app.monitors) == 2 and gateway.app.monitors[1].models is not None)
        await gateway.chat("b")
        assert sessions(two) == ["b"]
        assert [engine["engine"] for engine in (await gateway.client.get("/readyz")).json()["engines"]] == [
            one.url,
            two.url,
        ]
        assert await gateway.metric("concur_engine_up", engine=two.url) == 1


async def test_an_engine_that_is_given_up_ends_its_answers_its_sessions_move_and_it_is_forgotten() -> None:
    hold = Hold()
    async with (
        scripted_engine(script=hold) as one,
        scripted_engine() as two,
        running_gateway(one.url, two.url) as gateway,
    ):
        answering = asyncio.create_task(gateway.chat("a"))
        await gateway.until(lambda: len(one.received) == 1)
        response = await gateway.client.request("DELETE", PATH, json={"engine": one.url})
        assert (response.status_code, response.json()["engines"]) == (200, [two.url])
        await gateway.chat("b")
        assert sessions(two) == ["b"]
        assert one.url in gateway.app.coordinator.fleet.gates
        hold.open.set()
        assert (await answering).status_code == 200
        await gateway.until(lambda: [monitor.engine for monitor in gateway.app.monitors] == [two.url])
        scrapes = one.scrapes
        await gateway.chat("a")
        assert sessions(two) == ["b", "a"]
        await asyncio.sleep(0.15)
        assert one.scrapes == scrapes, "nobody asks it anything any more"
        assert one.url not in (await gateway.client.get("/metrics")).text


async def test_ranks_come_and_go_together() -> None:
    async with scripted_engine() as one, scripted_engine() as two, running_gateway(one.url) as gateway:
        await gateway.client.post(PATH, json={"engine": f"{two.url}#dp=2"})
        names = [f"{two.url}#rank=0", f"{two.url}#rank=1"]
        assert [monitor.engine for monitor in gateway.app.monitors] == [one.url, *names]
        twice = await gateway.client.post(PATH, json={"engine": two.url})
        assert (twice.status_code, twice.json()["error"]["code"]) == (409, "conflict")
        await gateway.client.request("DELETE", PATH, json={"engine": f"{two.url}#dp=2"})
        await gateway.until(lambda: len(gateway.app.monitors) == 1)


@pytest.mark.parametrize(
    ("method", "body", "status", "code"),
    [
        ("POST", b"{", 400, "wrong_body"),
        ("POST", b"{}", 400, "wrong_body"),
        ("POST", b'{"engine": 7}', 400, "wrong_body"),
        ("POST", b'{"engine": "gpu:8000"}', 400, "wrong_body"),
        ("POST", '{"engine": "http://gpü:8000"}'.encode(), 400, "wrong_body"),
        ("POST", b'{"engine": "http://gpu\\u0001:8000"}', 400, "wrong_body"),
        ("POST", b'{"engine": "' + b"x" * 70_000 + b'"}', 413, "body_too_large"),
        ("DELETE", b'{"engine": "http://127.0.0.1:10"}', 404, "no_engine"),
        ("DELETE", b'{"engine": "http://127.0.0.1:9"}', 409, "last_engine"),
    ],
)
async def test_what_cannot_be_done_is_said_in_openais_shape(method: str, body: bytes, status: int, code: str) -> None:
    async with running_gateway("http://127.0.0.1:9") as gateway:
        response = await gateway.client.request(method, PATH, content=body)
        assert (response.status_code, response.json()["error"]["code"]) == (status, code)
        assert response.json()["error"]["message"]
        assert len(gateway.app.monitors) == 1


async def test_with_a_key_only_its_holder_may() -> None:
    async with running_gateway("http://127.0.0.1:9", admin_key="open sesame") as gateway:
        body = {"engine": "http://127.0.0.1:10"}
        for headers in ({}, {"authorization": "Bearer open"}, {"authorization": "open sesame"}):
            assert (await gateway.client.post(PATH, json=body, headers=headers)).status_code == 401
        response = await gateway.client.post(PATH, json=body, headers={"authorization": "Bearer open sesame"})
        assert response.status_code == 200


@pytest.mark.parametrize(
    ("client", "may"),
    [
        (("127.0.0.1", 1), True),
        (("127.8.8.8", 1), True),
        (("::1", 1), True),
        (("10.0.0.1", 1), False),
        (("::ffff:10.0.0.1", 1), False),
        (("testclient", 1), False),
        (None, False),
    ],
)
def test_without_a_key_only_this_machine_may(client: tuple[str, int] | None, *, may: bool) -> None:
    refused = refusal(Request({"type": "http", "client": client, "headers": []}), None)
    assert (refused is None) is may
    assert refused is None or refused.status_code == 403


async def test_each_address_of_a_name_is_an_engine() -> None:
    async with scripted_engine() as one:
        port = int(one.url.rpartition(":")[2])
        async with running_gateway(engine_dns=[f"http://localhost:{port}"]) as gateway:
            await gateway.until(lambda: one.url in [monitor.engine for monitor in gateway.app.monitors])
            await gateway.until(lambda: one.scrapes > 2)
            assert (await gateway.chat("a")).status_code == 200
            await gateway.until(lambda: all("localhost" not in monitor.engine for monitor in gateway.app.monitors))
