import logging

import pytest

from tests.http.running_gateway import running_gateway
from tests.http.scripted_engine import Exchange, scripted_engine


async def test_a_stream_from_which_usage_is_stripped_does_not_tell_the_engine_s_length() -> None:
    content = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
    usage = b'data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1}}\n\n'

    async def script(exchange: Exchange) -> None:
        body = content + usage
        head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: %d\r\n\r\n" % len(body)
        await exchange.send(head + body)

    async with scripted_engine(script=script) as engine, running_gateway(engine.url) as gateway:
        await gateway.chat("a", stream=True)  # no engine is asked for usage before its first stream has ended
        response = await gateway.chat("a", stream=True)
        assert response.content == content
        assert "content-length" not in response.headers
        asked = await gateway.chat("a", stream=True, stream_options={"include_usage": True})
        assert asked.content == content + usage
        assert asked.headers["content-length"] == str(len(content + usage))


@pytest.mark.parametrize("status", ["304 Not Modified", "204 No Content"])
async def test_an_answer_without_a_body_passes(status: str, caplog: pytest.LogCaptureFixture) -> None:
    async def script(exchange: Exchange) -> None:
        length = "content-length: 7\r\n" if status.startswith("304") else ""
        await exchange.send(f"HTTP/1.1 {status}\r\netag: x\r\n{length}\r\n".encode())

    async with scripted_engine(script=script) as engine, running_gateway(engine.url) as gateway:
        response = await gateway.client.get("/v1/models")
        assert (response.status_code, response.headers["etag"], response.content) == (int(status[:3]), "x", b"")
        assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
