import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from tests.real_engine.gateway import gateway
from tests.real_engine.server import EngineServer
from tests.real_engine.ways import Way, until

MESSAGES = [{"role": "user", "content": "tell me what the test says"}]
ANSWER_TOKENS = 9
REQUESTS: dict[str, tuple[str, dict[str, object]]] = {
    "chat": ("/v1/chat/completions", {"messages": MESSAGES, "max_tokens": ANSWER_TOKENS, "ignore_eos": True}),
    "completion": ("/v1/completions", {"prompt": "tell me", "max_tokens": ANSWER_TOKENS, "ignore_eos": True}),
    "response": ("/v1/responses", {"input": "tell me", "max_output_tokens": ANSWER_TOKENS, "ignore_eos": True}),
    "message": ("/v1/messages", {"messages": MESSAGES, "max_tokens": ANSWER_TOKENS}),
}


@pytest.fixture(scope="module")
def counting(engine: EngineServer) -> Iterator[Way]:
    """A gateway whose sessions keep their places, so that their footprints add up."""
    with gateway(engine.url, "--law", "static", "--set", "window=100") as url, closing(Way(url)) as way:
        # the gateway asks for usage only after a first stream has ended
        way.http.post("/v1/completions", json={"model": "tiny", "prompt": "x", "max_tokens": 1, "stream": True})
        yield way


@pytest.mark.parametrize("api", REQUESTS)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_the_footprint_of_a_session_is_what_the_engine_counted(
    direct: Way,
    counting: Way,
    api: str,
    stream: bool,  # noqa: FBT001
) -> None:
    path, body = REQUESTS[api]
    body = {"model": "tiny", "temperature": 0, **body}
    tokens = context_tokens(direct.http.post(path, json=body).json()["usage"])
    assert tokens > ANSWER_TOKENS
    before = counting.series.read("concur_footprint_tokens")  # the first stream began a conversation of its own
    answer = counting.http.post(path, json={**body, "stream": stream}, headers={"x-session-id": f"{api} {stream}"})
    assert answer.status_code == 200
    await until(
        lambda: counting.series.read("concur_footprint_tokens") == pytest.approx(before + tokens),
        f"a footprint of {before + tokens}, not {counting.series.read('concur_footprint_tokens')}",
    )
    assert counting.http.post("/concur/v1/sessions/release", json={"session_id": f"{api} {stream}"}).status_code == 200
    assert counting.series.read("concur_footprint_tokens") == pytest.approx(before)


@pytest.mark.parametrize("api", ["chat", "completion"])
def test_a_stream_whose_client_did_not_ask_shows_no_usage_and_one_that_did_shows_it_once(
    direct: Way, counting: Way, api: str
) -> None:
    path, body = REQUESTS[api]
    body = {"model": "tiny", "temperature": 0, **body, "stream": True}
    for way in (direct, counting):
        assert '"usage":{' not in way.http.post(path, json=body).text
        asking = way.http.post(path, json={**body, "stream_options": {"include_usage": True}}).text
        events = [json.loads(line[6:]) for line in asking.splitlines() if line.startswith("data: {")]
        assert [event["usage"]["completion_tokens"] for event in events if event.get("usage")] == [ANSWER_TOKENS]


def test_an_answer_reports_what_the_engine_had_cached(direct: Way, counting: Way) -> None:
    long = {"role": "user", "content": "the gateway counts what was cached " * 20}
    body = {"model": "tiny", "messages": [long], "max_tokens": 2}
    reported = [
        way.http.post("/v1/chat/completions", json=body).json()["usage"]["prompt_tokens_details"]
        for way in (direct, direct, counting)
    ]
    assert reported[1]["cached_tokens"] > 0
    assert reported[2] == reported[1]


def test_the_gateway_knows_the_engines_capacity_and_kind(engine: EngineServer, counting: Way) -> None:
    assert counting.series.read("concur_engine_capacity_tokens") == engine.capacity_tokens
    (seen,) = counting.http.get("/readyz").json()["engines"]
    assert (seen["kind"], seen["signals"]) == (engine.kind, "fresh")


def context_tokens(usage: dict[str, Any]) -> int:
    """Prompt and answer tokens, as each API reports them."""
    if "total_tokens" in usage:
        return int(usage["total_tokens"])
    cached = usage.get("cache_creation_input_tokens", 0) + usage.get("cache_read_input_tokens", 0)
    return int(usage["input_tokens"] + cached + usage["output_tokens"])
