"""The hostile engine of a soak. It answers well until a fault changes it."""

import asyncio
import json

from tests.http.scripted_engine import Exchange, ScriptedEngine, answer

ANSWER_S = 0.2
EVENT = b'data: {"id":"x","choices":[{"index":0,"delta":{"content":"%b"},"finish_reason":%b}]}\n\n'
ABSURD = {
    "prompt_tokens": 1e308,
    "completion_tokens": -7,
    "total_tokens": "many",
    "prompt_tokens_details": {"cached_tokens": 1e99},
}
SERIES = 250_000


UPLOADS = "uploads"
"""A model that no other engine has: a real engine needs minutes for such a prompt, which is not the gateway's fault."""
READ_BYTES = 1_000_000
"""A larger body is not read here, because the agents run in the same process."""


def hostile_engine(model: str) -> ScriptedEngine:
    """An engine that serves the soak's model."""
    return ScriptedEngine(script=answer_well, models=[model, UPLOADS], waiting=0)


def proof_of(exchange: Exchange) -> str:
    """The name of the request, which the answer repeats."""
    if len(exchange.request.body) > READ_BYTES:
        return "of a large prompt"
    content: str = json.loads(exchange.request.body)["messages"][-1].get("content", "")
    return " ".join(content.split()[:3])


async def answer_well(exchange: Exchange) -> None:
    """Repeat the request's name."""
    await asyncio.sleep(ANSWER_S)
    if not _is_stream(exchange):
        await exchange.json(answer(f"proof {proof_of(exchange)}"))
        return
    await _stream(exchange, None)


async def absurd_usage(exchange: Exchange) -> None:
    """Answer well, with token counts that cannot be true."""
    await asyncio.sleep(ANSWER_S)
    if _is_stream(exchange):
        await _stream(exchange, ABSURD)
    else:
        await exchange.json(answer(f"proof {proof_of(exchange)}") | {"usage": ABSURD})


async def hang(exchange: Exchange) -> None:
    """Never answer."""
    await exchange.client_left()


async def reset(exchange: Exchange) -> None:
    """Reset the connection: streams after the first event, others before an answer."""
    if _is_stream(exchange):
        await exchange.start_stream()
        await exchange.chunk(EVENT % (b"one", b"null"))
        await asyncio.sleep(ANSWER_S / 2)
    exchange.die()
    raise ConnectionResetError


async def huge_metrics(exchange: Exchange) -> None:
    """Answer a scrape with 16 MB."""
    series = b'vllm:num_requests_running{engine="%d",model_name="emulated"} 1\n'
    body = b"".join(series % n for n in range(SERIES))
    await exchange.send(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: %d\r\n\r\n" % len(body))
    await exchange.send(body)


async def _stream(exchange: Exchange, usage: object) -> None:
    await exchange.start_stream()
    await exchange.chunk(EVENT % (b"one", b"null"))
    await exchange.chunk(EVENT % (b"two", b'"stop"'))
    if usage is not None:
        event = json.dumps({"id": "x", "choices": [], "usage": usage})
        await exchange.chunk(f"data: {event}\n\n".encode())
    await exchange.chunk(b"data: [DONE]\n\n")
    await exchange.chunk(b"")


def _is_stream(exchange: Exchange) -> bool:
    return b'"stream":true' in exchange.request.body.replace(b'": ', b'":')
