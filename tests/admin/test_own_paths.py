import asyncio
import json

import pytest
from openai import APIStatusError, AsyncOpenAI
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tests.http.running_gateway import running_gateway
from tests.http.scripted_engine import scripted_engine

RELEASE = "/concur/v1/sessions/release"


async def test_health_is_the_process_s_and_needs_no_engine() -> None:
    async with running_gateway("http://127.0.0.1:9") as gateway:
        response = await gateway.client.get("/healthz")
        assert (response.status_code, response.json()) == (200, {"status": "ok"})


async def test_readiness_says_how_each_engine_and_its_signals_stand() -> None:
    async with scripted_engine() as engine, running_gateway(engine.url, "http://127.0.0.1:9") as gateway:
        await gateway.until(lambda: gateway.app.monitors[0].rates is not None)
        await gateway.until(lambda: gateway.app.monitors[1].scrape_failures > 0)
        response = await gateway.client.get("/readyz")
        assert (response.status_code, response.json()["status"]) == (200, "ready")
        up, down = response.json()["engines"]
        assert (up["engine"], up["reachable"], up["kind"]) == (engine.url, True, "vllm")
        assert (up["signals"], up["problem"]) == ("fresh", None)
        assert (down["reachable"], down["kind"], down["signals"]) == (False, None, "stale")
        assert "127.0.0.1:9" in down["problem"]


async def test_a_draining_gateway_is_not_ready_and_refuses_requests() -> None:
    async with scripted_engine() as engine, running_gateway(engine.url) as gateway:
        await gateway.until(lambda: gateway.app.monitors[0].rates is not None)
        gateway.app.drain()
        ready = await gateway.client.get("/readyz")
        assert (ready.status_code, ready.json()["status"]) == (503, "draining")
        refused = await gateway.chat("a")
        assert (refused.status_code, refused.headers["x-concur-reason"]) == (503, "draining")


async def test_metrics_are_openmetrics_where_the_scraper_asks_for_them() -> None:
    async with scripted_engine() as engine, running_gateway(engine.url) as gateway:
        await gateway.chat("a")
        accept = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"
        response = await gateway.client.get("/metrics", headers={"accept": accept})
        assert response.headers["content-type"].startswith("application/openmetrics-text")
        families = {family.name for family in text_string_to_metric_families(response.text)}  # type: ignore[no-untyped-call]
        assert {"concur_admissions", "concur_request_duration_seconds"} <= families


BAD_RELEASES = {
    "not JSON": (b"{", 400, "bad_json"),
    "empty": (b"", 400, "bad_json"),
    "an array": (b"[]", 400, "body_not_object"),
    "no name": (b"{}", 400, "no_session"),
    "an empty name": (b'{"session_id":" "}', 400, "no_session"),
    "a name of another type": (b'{"program_id":["a"]}', 400, "no_session"),
    "too large": (b'{"session_id":"' + b"x" * 70_000 + b'"}', 413, "body_too_large"),
}


@pytest.mark.parametrize("what", BAD_RELEASES)
async def test_a_release_that_names_no_session_is_an_error_in_openai_s_shape(what: str) -> None:
    body, status, code = BAD_RELEASES[what]
    async with running_gateway("http://127.0.0.1:9") as gateway:
        response = await gateway.client.post(RELEASE, content=body)
        error = response.json()["error"]
        assert (response.status_code, error["code"], error["type"]) == (status, code, "invalid_request_error")
        assert error["message"].endswith(".")


@pytest.mark.parametrize("name", ["x" * 300, "caf\u00e9", " padded ", "\ud800"])
async def test_a_session_is_released_by_the_name_under_which_it_came(name: str) -> None:
    async with scripted_engine() as engine, running_gateway(engine.url) as gateway:
        body = json.dumps({"program_id": name}).encode()
        await gateway.client.post("/v1/chat/completions", content=body)
        response = await gateway.client.post("/programs/release", content=body)
        assert response.json()["released"] is True
        assert len(gateway.app.coordinator.fleet.gates[engine.url].sessions) == 0


async def test_the_wrong_method_on_an_own_path_is_told_the_right_one() -> None:
    async with running_gateway("http://127.0.0.1:9") as gateway:
        response = await gateway.client.get(RELEASE)
        assert (response.status_code, response.headers["allow"]) == (405, "POST")
        assert response.json()["error"]["code"] == "wrong_method"
        openai = AsyncOpenAI(api_key="k", base_url=gateway.url, max_retries=0)
        with pytest.raises(APIStatusError, match="does not accept this method"):
            await openai.delete("/metrics", cast_to=object)
        await openai.close()


async def test_a_client_that_leaves_within_a_release_leaves_no_traceback(caplog: pytest.LogCaptureFixture) -> None:
    async with running_gateway("http://127.0.0.1:9") as gateway:
        _, writer = await asyncio.open_connection("127.0.0.1", int(gateway.url.rpartition(":")[2]))
        writer.write(b"POST /programs/release HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n{")
        await writer.drain()
        writer.transport.abort()
        assert (await gateway.client.get("/healthz")).status_code == 200
    assert "Traceback" not in caplog.text


async def test_the_page_may_load_nothing_from_elsewhere() -> None:
    async with running_gateway("http://127.0.0.1:9") as gateway:
        for path in ("/concur/", "/concur/page.js", "/concur/charts.js", "/concur/page.css"):
            answer = await gateway.client.get(path)
            assert answer.status_code == 200
            assert answer.headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'")
            assert "http" not in answer.text.replace("http://www.w3.org/2000/svg", "").replace(
                "http://host", ""
            ).replace("HTTP", "")
        assert (await gateway.client.get("/concur")).headers["location"] == "concur/"
