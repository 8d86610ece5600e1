"""The lines about requests that a gateway writes."""

import asyncio
import json
import logging
from collections.abc import Iterator

import pytest

from concur_proxy.telemetry.events import hashed_session
from concur_proxy.telemetry.logs import JsonFormatter
from tests.http.running_gateway import running_gateway
from tests.http.scripted_engine import Exchange, Hold, scripted_engine

ONE_PLACE = {"law": "static", "law_options": {"window": 1}, "idle_lease": 0}


@pytest.fixture(name="lines")
def _lines() -> Iterator[list[dict[str, object]]]:
    """Collects what is logged from now on, as JSON lines."""
    lines: list[dict[str, object]] = []

    class Keeper(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(json.loads(self.format(record)))

    handler = Keeper()
    handler.setFormatter(JsonFormatter())
    logger = logging.getLogger("concur_proxy")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield lines
    logger.removeHandler(handler)
    logger.setLevel(logging.NOTSET)


def of_requests(lines: list[dict[str, object]]) -> list[dict[str, object]]:
    return [line for line in lines if "duration_s" in line]


async def test_each_request_has_a_line_when_it_is_over_if_asked(lines: list[dict[str, object]]) -> None:
    async with (
        scripted_engine() as engine,
        running_gateway(engine.url, log_requests=True) as gateway,
    ):
        got = await gateway.chat("agent-7")
        await gateway.client.get("/v1/models")
        await gateway.client.get("/nowhere")
        await gateway.client.get("/healthz")
    chat, models, nowhere = of_requests(lines)
    assert chat["request_id"] == got.headers["x-request-id"]
    assert (chat["session"], chat["engine"], chat["status"]) == ("agent-7", engine.url, 200)
    assert (chat["prompt_tokens"], chat["completion_tokens"]) == (10, 5)
    assert 0 <= float(str(chat["queue_wait_s"])) <= float(str(chat["duration_s"]))
    assert (models["route"], models["status"], "queue_wait_s" in models) == ("/v1/models", 200, False)
    assert chat["recognised_by"] == "headers"
    assert (nowhere["status"], nowhere["failure"], "route" in nowhere) == (404, "unknown_path", False)


@pytest.mark.parametrize(("hashed", "shown"), [("false", "red"), ("true", hashed_session("red"))])
async def test_a_line_names_the_tenant_if_there_are_several(
    lines: list[dict[str, object]], hashed: str, shown: str
) -> None:
    options = {"log_requests": True, "tenant_header": "x-team", "hash_sessions": hashed}
    async with scripted_engine() as engine, running_gateway(engine.url, **options) as gateway:
        gateway.client.headers["x-team"] = "blue"
        await gateway.chat("agent-7")
        await gateway.client.options("/v1/chat/completions", headers={"x-team": ""})  # a browser's has no credentials
        await gateway.client.get("/v1/models")
        gateway.client.headers["x-team"] = "red"
        await gateway.chat("agent-7")
        await gateway.client.get("/v1/models")
        del gateway.client.headers["x-team"]
        await gateway.chat("agent-7")
    tenants = [line.get("tenant") for line in of_requests(lines) if line["method"] != "OPTIONS"]
    assert tenants == [None, None, shown, shown, None]


async def test_a_line_names_the_conversation_of_a_request_without_a_name(lines: list[dict[str, object]]) -> None:
    asked: list[dict[str, str]] = [{"role": "user", "content": "Find the failing test."}]
    async with scripted_engine() as engine, running_gateway(engine.url, log_requests=True) as gateway:
        for text in ("It is in the parser.", "And now?"):
            await gateway.client.post("/v1/chat/completions", json={"messages": asked})
            asked += [{"role": "assistant", "content": text}, {"role": "user", "content": "go on"}]
    first, second = of_requests(lines)
    assert str(first["session"]).startswith("conversation:")
    assert second["session"] == first["session"]
    assert ("recognised_by" in first, second["recognised_by"]) == (False, "conversation")


async def test_no_request_has_a_line_unless_asked(lines: list[dict[str, object]]) -> None:
    async with scripted_engine() as engine, running_gateway(engine.url) as gateway:
        await gateway.chat("agent-7")
    assert of_requests(lines) == []


async def test_who_leaves_and_who_is_refused_is_told(lines: list[dict[str, object]]) -> None:
    async with (
        scripted_engine(script=Hold()) as engine,
        running_gateway(engine.url, log_requests=True, max_hold_s=0.1, **ONE_PLACE) as gateway,
    ):
        first = asyncio.create_task(gateway.chat("a"))
        await gateway.until(lambda: len(engine.received) == 1)
        await gateway.chat("b")
        first.cancel()
        await gateway.settled()
    refused, left = of_requests(lines)
    assert (refused["session"], refused["status"], refused["failure"]) == ("b", 429, "hold_timeout")
    assert float(str(refused["queue_wait_s"])) >= 0.1
    assert (left["session"], left["failure"], "status" in left) == ("a", "client_gone", False)


async def test_a_warning_in_the_middle_of_an_answer_names_request_and_session(
    lines: list[dict[str, object]],
) -> None:
    async def die(exchange: Exchange) -> None:
        await exchange.start_stream()
        exchange.die()

    async with scripted_engine(script=die) as engine, running_gateway(engine.url, hash_sessions=True) as gateway:
        with pytest.raises(Exception, match=r"closed|peer|incomplete"):
            await gateway.client.post(
                "/v1/chat/completions", json={}, headers={"x-session-id": "agent-7", "x-request-id": "mine"}
            )
    (warning,) = [line for line in lines if "cut off" in str(line["message"])]
    assert warning["request_id"] == "mine"
    assert warning["session"] == hashed_session("agent-7")


async def test_what_an_operator_does_is_logged_with_its_request(lines: list[dict[str, object]]) -> None:
    async with scripted_engine() as engine, running_gateway(engine.url, hash_sessions=True) as gateway:
        await gateway.chat("agent-7")
        got = await gateway.client.post("/concur/v1/sessions/pause", json={"session_id": "agent-7"})
    (line,) = [line for line in lines if "an operator asked" in str(line["message"])]
    assert line["request_id"] == got.headers["x-request-id"]
    assert hashed_session("agent-7") in str(line["message"])
    assert "agent-7" not in json.dumps(lines)
