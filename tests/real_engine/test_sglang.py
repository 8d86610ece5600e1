"""What SGLang does in a way of its own. The README of this folder lists these claims."""

import json
from collections.abc import Callable
from contextlib import closing

import httpx
import pytest

from tests.real_engine.gateway import gateway
from tests.real_engine.server import EngineServer
from tests.real_engine.test_doctor import examined
from tests.real_engine.ways import BothWays, Way, until

pytestmark = pytest.mark.only("sglang", "it is about SGLang")

SAMPLING = {"max_new_tokens": 8, "temperature": 0, "ignore_eos": True}
GENERATE = {"text": "tell me what the test says", "sampling_params": SAMPLING}


def test_its_own_api_answers_as_the_engine_does(proxied: Way) -> None:
    answer = proxied.http.post("/generate", json=GENERATE).json()
    assert answer["meta_info"]["completion_tokens"] == 8
    assert isinstance(answer["meta_info"]["finish_reason"], dict)


async def test_the_footprint_of_its_own_api_is_what_it_counted(engine: EngineServer) -> None:
    with gateway(engine.url, "--law", "static", "--set", "window=100") as url, closing(Way(url)) as way:
        text = way.http.post("/generate", json={**GENERATE, "stream": True}, headers={"x-session-id": "own"}).text
        last = json.loads(text.split("\n\n")[-3].removeprefix("data: "))["meta_info"]
        tokens = last["prompt_tokens"] + last["completion_tokens"]
        await until(
            lambda: way.series.read("concur_footprint_tokens") == pytest.approx(tokens), f"a footprint of {tokens}"
        )


def test_a_completion_stream_has_an_empty_usage_in_each_event(direct: Way) -> None:
    body = {"model": "tiny", "prompt": "once", "max_tokens": 4, "ignore_eos": True, "stream": True}
    text = direct.http.post("/v1/completions", json=body).text
    events = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: {")]
    assert len(events) > 1
    assert all(event["usage"] is None for event in events)


def test_an_unknown_model_is_answered(both: BothWays) -> None:
    body = {"model": "none", "messages": [{"role": "user", "content": "x"}], "max_tokens": 2, "temperature": 0}
    assert both.same(lambda way: way.http.post("/v1/chat/completions", json=body)).status_code == 200


def test_its_errors_have_no_member_called_error(both: BothWays) -> None:
    body = {"model": "tiny", "messages": [{"role": "user", "content": "x " * 9000}], "max_tokens": 2}
    answer = both.same(lambda way: way.http.post("/v1/chat/completions", json=body))
    assert (answer.status_code, "error" in answer.json(), bool(answer.json()["message"])) == (400, False, True)


def test_its_own_api_puts_an_error_into_a_member_called_error(direct: Way) -> None:
    answer = direct.http.post("/generate", json={**GENERATE, "text": "x " * 9000})
    assert (answer.status_code, bool(answer.json()["error"]["message"])) == (400, True)


def test_a_session_of_its_own_is_closed_through_the_gateway(proxied: Way) -> None:
    opened = proxied.http.post("/open_session", json={"capacity_of_str_len": 1000, "session_id": "mine"})
    assert (opened.status_code, opened.json()) == (200, "mine")
    assert proxied.http.post("/close_session", json={"session_id": "mine"}).status_code == 200


def test_counters_are_absent_until_their_first_event(direct: Way) -> None:
    assert "sglang:num_retracted_requests_total" not in direct.http.get("/metrics").text


def test_it_closes_an_idle_connection_after_five_seconds(engine: EngineServer) -> None:
    with httpx.Client(base_url=engine.url, trust_env=False) as client:
        with client.stream("GET", "/v1/models") as answer:
            answer.read()
            network = answer.extensions["network_stream"].get_extra_info("socket")
        network.settimeout(8)
        assert network.recv(1) == b""


def test_a_server_without_metrics_and_prefix_cache_is_told_how_to(tiny: Callable[..., EngineServer]) -> None:
    with tiny("--disable-radix-cache", has_metrics=False) as server:
        _, found = examined(server.url)
        assert httpx.get(f"{server.url}/metrics", trust_env=False).status_code == 404
    assert any("--enable-metrics" in finding["fix"] for finding in found.values())
    assert "no_prefix_cache" in found
