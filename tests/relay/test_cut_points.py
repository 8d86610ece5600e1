"""An engine's answer that ends early at any byte, with a FIN or a reset, and what its client may see.

Before the head is whole: the gateway's error. After that, a body with a length or in chunks is whole only if all of it
came; what came reaches the client, and the client sees that the rest is missing. A body that ends with its
connection is whole after a FIN, and broken after a reset. TCP may drop what a reset follows. Linux delivers it first,
and so do the event loops: the outcome does not depend on time.
"""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
import uvloop

from concur_proxy.monitoring.own_clients import USER_AGENT
from tests.http.running_gateway import running_gateway
from tests.http.served import served

EVENT = b'data: {"choices":[{"index":0,"delta":{"content":"ab"}}]}\n\n'
BODIES = {
    b"application/json": b'{"id":"c","choices":[{"index":0,"message":{"content":"ab"}}]}',
    b"text/event-stream": EVENT + b"data: [DONE]\n\n",
}
CHUNK = 25
ASKS = b'{"model":"m","stream":%b,"stream_options":{"include_usage":true}}'


@dataclass
class CutEngine:
    """Sends the first bytes of an answer, and ends the connection."""

    url: str = ""
    answer: bytes = b""
    resets: bool = False
    writers: set[asyncio.StreamWriter] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one request."""
        self.writers.add(writer)
        head = await reader.readuntil(b"\r\n\r\n")
        if USER_AGENT.encode() in head:
            writer.write(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            writer.close()
            return
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        await reader.readexactly(int(length.partition(b":")[2]))
        writer.write(self.answer)
        if self.resets:
            client = writer.get_extra_info("socket")
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
        else:
            writer.close()


@asynccontextmanager
async def cut_engine() -> AsyncIterator[CutEngine]:
    engine = CutEngine()
    async with served(engine.serve) as engine.url:
        yield engine


def whole_answer(framing: str, content_type: bytes) -> tuple[bytes, list[int]]:
    """An answer, and for each of its bytes after the head how many bytes of the body have come with it."""
    body = BODIES[content_type]
    head = b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\n" % content_type
    if framing == "length":
        return b"%bcontent-length: %d\r\n\r\n%b" % (head, len(body), body), list(range(len(body) + 1))
    if framing == "close":
        return b"%b\r\n%b" % (head, body), list(range(len(body) + 1))
    sent, came = b"", [0]
    for at in range(0, len(body), CHUNK):
        part = body[at : at + CHUNK]
        line = b"%x\r\n" % len(part)
        sent += line + part + b"\r\n"
        came += [at] * len(line) + list(range(at + 1, at + len(part) + 1)) + [at + len(part)] * 2
    return b"%btransfer-encoding: chunked\r\n\r\n%b0\r\n\r\n" % (head, sent), [*came, *([len(body)] * 5)]


async def ask(url: str, version: bytes, content_type: bytes) -> tuple[int, bytes, bool]:
    """The status and the body that a client gets, and whether they look complete to it."""
    body = ASKS % (b"true" if b"stream" in content_type else b"false")
    reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
    head = b"POST /v1/chat/completions HTTP/%b\r\nhost: x\r\nconnection: close\r\ncontent-length: %d\r\n\r\n"
    writer.write(head % (version, len(body)) + body)
    answer, was_reset = bytearray(), False
    try:
        while part := await asyncio.wait_for(reader.read(65_536), 10):
            answer += part
    except ConnectionResetError:
        was_reset = True
    writer.close()
    fields, _, got = bytes(answer).partition(b"\r\n\r\n")
    status = int(fields.split(b" ")[1])
    if b"transfer-encoding: chunked" in fields:
        parts, is_whole = [], False
        while got:
            line, _, got = got.partition(b"\r\n")
            size = int(line, 16)
            is_whole = size == 0
            parts.append(got[:size])
            got = got[size + 2 :]
        return status, b"".join(parts), is_whole and not was_reset
    for line in fields.split(b"\r\n"):
        if line.startswith(b"content-length: "):
            return status, got, len(got) == int(line.partition(b": ")[2])
    return status, got, not was_reset


@pytest.mark.parametrize("loop_factory", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
def test_an_answer_that_ends_early_never_looks_complete(
    loop_factory: Callable[[], asyncio.AbstractEventLoop], version: bytes, framing: str
) -> None:
    async def every_cut() -> None:
        async with cut_engine() as engine, running_gateway(engine.url) as gateway:
            for content_type, body in BODIES.items():
                answer, came = whole_answer(framing, content_type)
                head_size = len(answer) + 1 - len(came)
                assert came[-1] == len(body)
                cuts = [*range(1, head_size, 30), head_size - 1, *range(head_size, len(answer), 4), len(answer)]
                for size in cuts:
                    for resets in (False, True):
                        engine.answer, engine.resets = answer[:size], resets
                        status, got, is_whole = await ask(gateway.url, version, content_type)
                        case = f"{content_type!r} cut at {size} of {len(answer)}, {'RST' if resets else 'FIN'}"
                        if size < head_size:
                            assert (status, is_whole) == (502, True), case
                            continue
                        assert (status, got) == (200, body[: came[size - head_size]]), case
                        assert is_whole == (not resets if framing == "close" else size == len(answer)), case

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(every_cut())
