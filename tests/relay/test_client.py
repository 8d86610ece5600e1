import logging
from contextlib import suppress

import pytest

from tests.http.running_gateway import running_gateway
from tests.http.scripted_engine import Exchange, answer_at_once, scripted_engine


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


@pytest.mark.parametrize(
    "body", ["content-length: 5\r\n\r\nhello", "transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"]
)
@pytest.mark.parametrize("is_late", [False, True])
async def test_a_body_after_204_is_dropped(body: str, is_late: bool, caplog: pytest.LogCaptureFixture) -> None:  # noqa: FBT001
    async def script(exchange: Exchange) -> None:
        head, _, rest = body.partition("\r\n\r\n")
        await exchange.send(f"HTTP/1.1 204 No Content\r\netag: x\r\n{head}\r\n\r\n{'' if is_late else rest}".encode())
        if is_late:
            with suppress(ConnectionError):  # the gateway has closed the connection
                await exchange.send(rest.encode())

    async with scripted_engine(script=script) as engine, running_gateway(engine.url) as gateway:
        response = await gateway.client.get("/v1/models/m")
        assert (response.status_code, response.headers["etag"], response.content) == (204, "x", b"")
        assert not {"content-length", "transfer-encoding"} & response.headers.keys()
        engine.script = answer_at_once
        assert (await gateway.chat("a")).status_code == 200
        assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
