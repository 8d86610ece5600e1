"""An answer that is cut at any places, in any HTTP chunks, reaches the client unchanged, and its usage is counted."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from concur_proxy.telemetry.events import RequestRecord
from concur_proxy.wire.answer.usage import Usage
from tests.http.raw_http import Connection, Message, call, raw_engine
from tests.http.running_gateway import RunningGateway, running_gateway
from tests.wire.answer import streams

pytestmark = pytest.mark.asyncio(loop_scope="module")

CHAT_ANSWER = json.dumps(
    {"id": "c", "choices": [{"message": {"content": "caf\u00e9 " * 40}}], "usage": json.loads(streams.USAGE)},
    ensure_ascii=False,
).encode()
ANSWERS = {
    "chat stream": ("/v1/chat/completions", b"".join(streams.VLLM_ASKED)),
    "chat stream with usage in each event": ("/v1/chat/completions", b"".join(streams.VLLM_FORCED)),
    "messages stream": ("/v1/messages", b"".join(streams.ANTHROPIC)),
    "responses stream": ("/v1/responses", b"".join(streams.RESPONSES)),
    "generate stream": ("/generate", b"".join(streams.SGLANG_GENERATE)),
    "chat": ("/v1/chat/completions", CHAT_ANSWER),
}


USAGE = Usage(prompt_tokens=120, completion_tokens=7, cached_tokens=64)
"""What each of them reports."""


@dataclass(slots=True)
class Way:
    """How the engine sends an answer."""

    body: bytes = b""
    framing: str = "length"
    chunk_cuts: tuple[int, ...] = ()
    """Where its HTTP chunks end."""
    write_cuts: tuple[int, ...] = ()
    """Where its writes to the socket end."""
    is_stream: bool = True

    def raw(self) -> bytes:
        """The bytes of the whole answer."""
        content_type = b"text/event-stream" if self.is_stream else b"application/json"
        head = b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\n" % content_type
        if self.framing == "length":
            return b"%bcontent-length: %d\r\n\r\n%b" % (head, len(self.body), self.body)
        if self.framing == "close":
            return b"%bconnection: close\r\n\r\n%b" % (head, self.body)
        chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in cut(self.body, self.chunk_cuts) if part)
        return b"%btransfer-encoding: chunked\r\n\r\n%b0\r\n\r\n" % (head, chunks)


def cut(data: bytes, cuts: tuple[int, ...]) -> list[bytes]:
    edges = [0, *sorted(each % (len(data) + 1) for each in cuts), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges)]


class Pair:
    """A gateway and an engine that answers in a way that the test chooses."""

    gateway: RunningGateway
    way = Way()

    def __init__(self) -> None:
        self.records: list[RequestRecord] = []

    def __repr__(self) -> str:
        return "Pair()"

    async def answer(self, connection: Connection, _: Message) -> None:
        """The engine's script."""
        for part in cut(self.way.raw(), self.way.write_cuts):
            await connection.send(part)
            await asyncio.sleep(0)
        if self.way.framing == "close":
            raise ConnectionResetError

    async def ask(self, name: str, way: Way, *, asks_usage: bool) -> tuple[bytes, Usage | None]:
        """Send a request; return what the client got and the usage that was counted."""
        self.way, self.records[:] = way, []
        path = ANSWERS[name][0]
        body: dict[str, object] = {"model": "m", "messages": [], "stream": way.is_stream}
        if asks_usage and path.endswith("/chat/completions"):
            body["stream_options"] = {"include_usage": True}
        text = json.dumps(body).encode()
        head = f"POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {len(text)}\r\n\r\n"
        got = await call(self.gateway.url, head.encode() + text)
        await self.gateway.until(lambda: bool(self.records))
        return got.body, self.records[0].attempts[-1].usage


@pytest_asyncio.fixture(name="pair", scope="module", loop_scope="module")
async def running_pair() -> AsyncIterator[Pair]:
    pair = Pair()
    async with raw_engine(pair.answer) as engine, running_gateway(engine.url) as pair.gateway:
        pair.gateway.app._telemetry.events.ended.append(pair.records.append)
        # Usage is asked for once a stream has shown whether the engine has a fingerprint.
        body = ANSWERS["chat stream"][1]
        await pair.ask("chat stream", Way(body), asks_usage=True)
        yield pair


CUTS = st.lists(st.integers(0, 5_000), max_size=12).map(tuple)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    name=st.sampled_from(sorted(ANSWERS)),
    framing=st.sampled_from(["length", "chunked", "chunked", "close"]),
    chunk_cuts=CUTS,
    write_cuts=CUTS,
    asks_usage=st.booleans(),
)
async def test_cuts_change_nothing(
    pair: Pair,
    name: str,
    framing: str,
    chunk_cuts: tuple[int, ...],
    write_cuts: tuple[int, ...],
    *,
    asks_usage: bool,
) -> None:
    body, is_stream = ANSWERS[name][1], "stream" in name
    whole = await pair.ask(name, Way(body, is_stream=is_stream), asks_usage=asks_usage)
    way = Way(body, framing, chunk_cuts, write_cuts, is_stream)
    assert await pair.ask(name, way, asks_usage=asks_usage) == whole
    assert whole[1] == USAGE
    if asks_usage or not name.startswith("chat stream"):
        assert whole[0] == body
    elif name == "chat stream":
        assert whole[0] == b"".join(streams.VLLM_UNASKED)
