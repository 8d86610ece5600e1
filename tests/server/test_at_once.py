"""A request that need not wait is sent on in the call that brings it, and an answer in the call that brings it: each
with one write. Client and engine are transports that record what is written.
"""

import asyncio
import json
from typing import Any

import pytest

from concur_proxy.server.app import GatewayApp
from concur_proxy.server.http_client import MOST_WAITING
from concur_proxy.server.protocol import GatewayProtocol
from concur_proxy.server.serving import Serving
from concur_proxy.server.turnstile import Turnstile
from concur_proxy.settings.gateway import GatewaySettings
from concur_proxy.upstream.connection import Connection
from concur_proxy.upstream.origin import Origin

ENGINE = "http://127.0.0.1:1"
EVENT = b'data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n'
LAST = b"data: [DONE]\n\n"
USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1}}\n\n'
STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


class Recording(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.is_closed = False
        self.is_paused = False

    def write(self, data: Any) -> None:  # noqa: ANN401 - bytes or a view of them
        self.written.append(bytes(data))

    def take(self) -> list[bytes]:
        """What was written since the last call."""
        written, self.written = self.written, []
        return written

    def is_closing(self) -> bool:
        return self.is_closed

    def close(self) -> None:
        self.is_closed = True

    def abort(self) -> None:
        self.is_closed = True

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None:
        self.is_paused = True

    def resume_reading(self) -> None:
        self.is_paused = False


class Ends:
    """A gateway between one client and one connection of an engine that is not started."""

    def __init__(self) -> None:
        app = GatewayApp(GatewaySettings(engine=(ENGINE,), port=0))  # type: ignore[call-arg] # the rest has defaults
        serving = Serving(
            app=app,
            relay=app.relay,
            is_own=app.is_own,
            root=app.root,
            connections=app.connections,
            turnstile=Turnstile(),
            exits=Turnstile(),
            first=app.first_requests,
            keep_alive_s=60,
            open=set(),
            served=set(),
        )
        self.serving = serving
        self.client, self.engine = Recording(), Recording()
        self.from_client = GatewayProtocol(serving)
        self.from_client.connection_made(self.client)
        origin = app._upstream._origins[ENGINE] = Origin(ENGINE)
        self.from_engine = Connection(origin)
        self.from_engine.connection_made(self.engine)
        origin.keep_idle(self.from_engine)


def request(**members: object) -> bytes:
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "hi"}], **members}).encode()
    return b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)


def answer(body: bytes = b'{"choices":[]}') -> bytes:
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


async def test_a_request_and_its_answer_take_one_write_each() -> None:
    ends = Ends()
    for _ in range(3):
        ends.from_client.data_received(request())
        (sent,) = ends.engine.take()
        assert sent.startswith(b"POST /v1/chat/completions HTTP/1.1\r\n")
        assert sent.endswith(b"}]}")
        ends.from_engine.data_received(answer())
        (got,) = ends.client.take()
        assert got.startswith(b"HTTP/1.1 200 OK\r\n")
        assert got.endswith(b'\r\n\r\n{"choices":[]}')
        assert not ends.serving.served
        await asyncio.sleep(0)


async def test_a_body_in_parts_is_sent_with_its_last_byte() -> None:
    ends, whole = Ends(), request()
    for part in (whole[:10], whole[10:-5], whole[-5:-1]):
        ends.from_client.data_received(part)
        assert not ends.engine.take()
        await asyncio.sleep(0)
    ends.from_client.data_received(whole[-1:])
    await asyncio.sleep(0)  # joining the parts has a turn of its own
    assert len(ends.engine.take()) == 1


async def test_what_comes_of_a_stream_in_one_read_leaves_in_one_write() -> None:
    ends = Ends()
    ends.from_client.data_received(request(stream=True))
    ends.from_engine.data_received(STREAM_HEAD)
    (begun,) = ends.client.take()
    assert begun.endswith(b"transfer-encoding: chunked\r\n\r\n")
    for read, written in (
        (chunk(EVENT), chunk(EVENT)),
        (chunk(EVENT) + chunk(EVENT), chunk(EVENT + EVENT)),
        (chunk(EVENT)[:9], chunk(EVENT[:5])),
        (chunk(EVENT)[9:] + chunk(LAST) + b"0\r\n\r\n", chunk(EVENT[5:] + LAST) + b"0\r\n\r\n"),
    ):
        ends.from_engine.data_received(read)
        assert ends.client.take() == [written]
    ends.from_client.data_received(request(stream=True))
    ends.from_engine.data_received(STREAM_HEAD + chunk(LAST) + b"0\r\n\r\n")
    (whole,) = ends.client.take()
    assert whole.endswith(b"\r\n\r\n" + chunk(LAST) + b"0\r\n\r\n")


def begun_stream() -> Ends:
    """A stream of which one event has passed."""
    ends = Ends()
    ends.from_client.data_received(request(stream=True))
    ends.from_engine.data_received(STREAM_HEAD + chunk(EVENT))
    (begun,) = ends.client.take()
    assert begun.endswith(b"\r\n\r\n" + chunk(EVENT))
    return ends


async def test_an_event_that_comes_alone_is_passed_on_as_it_is() -> None:
    ends = begun_stream()
    upper = chunk(EVENT).replace(b"\r\n", b"|", 1).upper().replace(b"|", b"\r\n", 1)
    for event in (chunk(EVENT), upper, chunk(b": a comment\n\n")):
        ends.from_engine.data_received(event)
        (written,) = ends.client.take()
        assert written is event
    ends.from_engine.data_received(chunk(USAGE))
    ends.from_engine.data_received(chunk(EVENT))
    ends.from_engine.data_received(chunk(LAST) + b"0\r\n\r\n")
    assert b"".join(ends.client.take()) == chunk(USAGE) + chunk(EVENT) + chunk(LAST) + b"0\r\n\r\n"
    assert not ends.serving.served


async def test_events_wait_for_a_client_that_takes_nothing() -> None:
    ends = begun_stream()
    ends.from_client.pause_writing()
    for _ in range(3):
        ends.from_engine.data_received(chunk(EVENT))
    assert ends.client.take() == [chunk(EVENT)], "the one after which the client was full"
    ends.from_client.resume_writing()
    assert ends.client.take() == [chunk(EVENT + EVENT)]
    ends.from_engine.data_received(chunk(EVENT))
    assert ends.client.take() == [chunk(EVENT)]


async def test_nothing_is_written_to_a_client_that_has_left() -> None:
    ends = begun_stream()
    ends.client.is_closed = True
    ends.from_client.connection_lost(None)
    ends.from_engine.data_received(chunk(EVENT))
    await asyncio.sleep(0)
    assert not ends.client.written
    assert ends.engine.is_closed


async def test_a_stream_that_breaks_off_is_cut_off() -> None:
    ends = begun_stream()
    ends.from_engine.data_received(chunk(EVENT))
    ends.from_engine.connection_lost(ConnectionResetError())
    assert ends.client.take() == [chunk(EVENT)]
    assert ends.client.is_closed
    assert not ends.serving.served


async def test_a_client_that_takes_nothing_stops_the_engine_s_answer() -> None:
    ends, piece = Ends(), b"x" * 100_000
    ends.from_client.data_received(request())
    ends.from_engine.data_received(answer(piece * 9)[: -len(piece) * 9])
    ends.from_client.pause_writing()
    for _ in range(9):
        ends.from_engine.data_received(piece)
    assert ends.engine.is_paused
    assert len(ends.client.take()) == 2, "the head, and the part after which the client was full"
    ends.from_client.resume_writing()
    assert not ends.engine.is_paused
    assert b"".join(ends.client.take()) == piece * 8
    assert not ends.serving.served


async def test_an_own_path_that_reads_no_body_stops_the_client() -> None:
    ends = Ends()
    ends.from_client.data_received(
        b"POST /healthz HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n" + b"x" * 99_999
    )
    assert ends.client.is_paused
    while not ends.client.written:
        await asyncio.sleep(0)
    assert ends.client.take()[0].startswith(b"HTTP/1.1 405 ")
    assert not ends.client.is_paused


@pytest.mark.parametrize("requests", [2, MOST_WAITING])
async def test_requests_that_are_refused_at_once_are_answered_in_order(requests: int) -> None:
    ends = Ends()
    ends.from_client.data_received(
        b"".join(b"GET /nowhere/%d HTTP/1.1\r\nhost: x\r\n\r\n" % number for number in range(requests))
    )
    written = ends.client.take()
    assert len(written) == requests
    assert all(b"HTTP/1.1 404 " in one and b"/nowhere/%d" % number in one for number, one in enumerate(written))


async def test_a_client_that_sends_many_requests_ahead_is_not_read_on() -> None:
    ends = Ends()
    ends.from_client.data_received(request() * 30)
    assert ends.client.is_paused
    for left in range(29, -1, -1):
        ends.from_engine.data_received(answer())
        assert len(ends.client.take()) == 1
        assert ends.client.is_paused == (left > 1), "until none waits any more"


async def test_a_client_that_leaves_aborts_the_engine_s_answer() -> None:
    ends = Ends()
    ends.from_client.data_received(request())
    ends.from_client.connection_lost(None)
    await asyncio.sleep(0)
    assert ends.engine.is_closed
    assert not ends.serving.served
    assert not ends.serving.open
