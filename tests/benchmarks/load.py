"""HTTP/1.1 connections in a closed loop that use little CPU time: hand-written requests and a parser in C."""

import asyncio
import time
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import cast

import httptools

CHAT = b"/v1/chat/completions"


def chat_request(
    *, stream: bool, events: int = 0, interval_ms: int = 0, session: str = "", path: bytes = CHAT
) -> bytes:
    """A chat completion of about 1 KB, as the OpenAI SDK sends it; `session` goes into the header `x-session-id`."""
    body = (
        b'{"model":"m","messages":[{"role":"user","content":"'
        + b"y" * 800
        + b'"}],"stream":%b,"max_tokens":%d,"interval_ms":%d}'
    ) % (b"true" if stream else b"false", events, interval_ms)
    head = (
        b"POST %b HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: bench\r\nAccept: */*\r\nAuthorization: Bearer none\r\n"
        b"Content-Type: application/json\r\n%bContent-Length: %d\r\n\r\n"
    )
    return head % (path, b"X-Session-Id: %b\r\n" % session.encode() if session else b"", len(body)) + body


@dataclass(slots=True, kw_only=True)
class Tally:
    """What all connections of a run saw together."""

    requests: int = 0
    """Complete answers with status 200."""
    events: int = 0
    """SSE events received, including `[DONE]`."""
    reads: int = 0
    """Reads in which the events arrived: fewer than events if the relay passes several on at once."""
    failures: int = 0
    """Other statuses and broken connections."""
    latencies: list[float] = field(default_factory=list)
    """Seconds from the write of a request to the last byte of its answer."""
    seconds: float = 0.0
    """Duration of the run in seconds."""


class LoadConnection(asyncio.Protocol):
    """Sends the same request again and again, one at a time, until it is stopped or `limit` answers have come."""

    def __init__(self, request: bytes, tally: Tally, limit: int | None) -> None:
        self.request = request
        self.tally = tally
        self.remaining = limit
        self.stopped = False
        self.started = 0.0
        self.parser = httptools.HttpResponseParser(self)
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:

        self.transport = cast(
            "asyncio.Transport", transport
        )  # the transports of uvloop do not inherit from asyncio.Transport
        self.send()

    def send(self) -> None:
        self.started = time.perf_counter()
        self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        self.tally.reads += 1
        self.tally.events += data.count(b"data: ")
        self.parser.feed_data(data)

    def on_message_complete(self) -> None:
        self.tally.latencies.append(time.perf_counter() - self.started)
        if self.parser.get_status_code() == 200:
            self.tally.requests += 1
        else:
            self.tally.failures += 1
        if self.remaining is not None:
            self.remaining -= 1
        if self.stopped or self.remaining == 0:
            self.finish()
        else:
            self.send()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the interface
        if not self.ended.done():
            self.tally.failures += 1
            self.ended.set_result(None)

    def finish(self) -> None:
        if not self.ended.done():
            self.ended.set_result(None)
        self.transport.close()


class ConversingConnection(LoadConnection):
    """Sends 4 kB requests of conversations that grow by two messages from turn to turn, one conversation after another.
    Its first request gives the name of its sessions in `x-session-id`; an empty name sends none.
    """

    TURNS = 8
    numbers = count()
    """One for each connection, so that no two have a conversation in common."""

    def send(self) -> None:
        if self.started == 0.0:
            self.name, self.sent, self.number = self.request.decode(), 0, next(self.numbers)
        conversation, turn = divmod(self.sent, self.TURNS)
        self.sent += 1
        start = f"{self.number} {conversation} "
        words = [start + "s" * 1900, *(f"{start}{index} " + "m" * 250 for index in range(2 * turn))]
        messages = ",".join(
            f'{{"role":"{"assistant" if index % 2 else "user"}","content":"{text}"}}'
            for index, text in enumerate(words)
        )
        body = f'{{"model":"m","messages":[{messages}],"stream":false,"max_tokens":16}}'
        session = f"X-Session-Id: {self.name}-{self.number}-{conversation}\r\n" if self.name else ""
        self.request = (
            f"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer none\r\n{session}"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
        ).encode()
        super().send()


async def run_load(
    port: int,
    requests: list[bytes],
    *,
    seconds: float | None = None,
    limit: int | None = None,
    kind: type[LoadConnection] = LoadConnection,
) -> Tally:
    """Open a connection for each of `requests`, for `seconds` or `limit` answers. Then cut off what is in flight."""
    loop = asyncio.get_running_loop()
    tally = Tally()
    began = time.perf_counter()
    connections = [
        (await loop.create_connection(partial(kind, request, tally, limit), "127.0.0.1", port))[1]
        for request in requests
    ]
    await asyncio.wait([connection.ended for connection in connections], timeout=seconds)
    tally.seconds = time.perf_counter() - began
    for connection in connections:
        connection.finish()
    return tally
