"""Chunks that are passed on as they come, in an answer that is waited for."""

import asyncio
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from concur_proxy.eager import Run
from concur_proxy.upstream.client import Upstream, UpstreamResponse
from concur_proxy.upstream.connection import Connection
from concur_proxy.upstream.failures import EngineTimedOut
from concur_proxy.upstream.origin import Origin
from concur_proxy.wire.headers import Headers
from tests.server.test_at_once import Recording
from tests.upstream.raw_engine import CHUNKED, Engine, Serve, both_loops

LINES = st.sampled_from([b"%x", b"%X", b"00%x", b"%x;name=value", b'%x;name="value"'])
BODIES = st.binary(min_size=1, max_size=20) | st.sampled_from([b"data: {}\n\n", b"\r\n", b"5\r\n", b"0\r\n\r\n", b"1"])


class Reading:
    """Takes an answer from a connection whose engine is the test."""

    def __init__(self, *, takes: bool) -> None:
        self.body = b""
        self.passed = 0
        self.trailers: Headers | None = None
        self._takes = takes
        self._connection = Connection(Origin("http://127.0.0.1:1"))
        self._connection.connection_made(Recording())
        self._run = Run(self._take())
        self._run.start()

    def feed(self, data: bytes) -> None:
        self._connection.data_received(data)

    def _pass(self, chunk: bytes) -> bool:
        if self._takes:
            line, _, rest = chunk.partition(b"\r\n")
            assert len(rest) == int(line, 16) + 2
            self.body += rest[:-2]
            self.passed += 1
        return self._takes

    async def _take(self) -> None:
        await self._connection.exchange(b"GET / HTTP/1.1\r\n\r\n", b"", 0, is_head=False)
        response = UpstreamResponse(self._connection)
        while True:
            part = response.take()
            self.body += part
            if response.is_complete:
                self.trailers = response.trailers
                return
            if not part:
                await response.next_part(self._pass)


@pytest.mark.parametrize("takes", [True, False])
async def test_a_chunk_that_comes_alone_is_passed_on(*, takes: bool) -> None:
    reading = Reading(takes=takes)
    for data, passed in (
        (CHUNKED, 0),
        (b"1\r\na\r\n", 0),  # whether a chunk begins is known from now on
        (b"2\r\nbc\r\n", 1),
        (b"1\r\nd\r\n1\r\ne\r\n", 1),
        (b"1\r\nf\r\n", 2),
        (b"1\r\ng\r\n1", 2),
        (b"\r\nh\r\n", 2),
        (b"A\r\n1\r\n2\r\n3\r\n4\r\n", 3),
        (b"3;x=y\r\n", 3),
        (b"1\r\n", 3),  # this is data, and no size
        (b"\r\n", 3),
        (b"1\r\ni\r\n", 4),
        (b"0\r\nx-sum: 1\r\n\r\n", 4),
    ):
        reading.feed(data)
        assert reading.passed == (passed if takes else 0)
    assert reading.body == b"abcdefgh1\r\n2\r\n3\r\n41\r\ni"
    assert reading.trailers == [(b"x-sum", b"1")]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(BODIES, LINES), max_size=8), st.lists(st.integers(0, 400), max_size=16), st.booleans())
def test_a_body_in_any_pieces_is_the_same_body(
    chunks: list[tuple[bytes, bytes]],
    cuts: list[int],
    between: bool,  # noqa: FBT001
) -> None:
    framed = [line % len(body) + b"\r\n" + body + b"\r\n" for body, line in chunks]
    raw = b"".join(framed) + b"0\r\n\r\n"
    edges = {0, len(raw), *(cut % len(raw) for cut in cuts)}
    if between:
        edges.update(itertools.accumulate(map(len, framed)))

    async def read() -> None:
        reading = Reading(takes=True)
        reading.feed(CHUNKED)
        for start, end in itertools.pairwise(sorted(edges)):
            reading.feed(raw[start:end])
        assert reading.body == b"".join(body for body, _ in chunks)
        assert reading.trailers == []

    asyncio.run(read())


@both_loops
async def test_chunks_that_are_passed_on_are_no_pause(upstream: Upstream, serve: Serve) -> None:
    del upstream
    passed: list[float] = []
    loop = asyncio.get_running_loop()

    async def slow(engine: Engine, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(CHUNKED + b"1\r\na\r\n")
        for _ in range(6):
            await asyncio.sleep(0.05)
            writer.write(b"1\r\nb\r\n")
        await engine.go_on.wait()

    def take(_: bytes) -> bool:
        passed.append(loop.time())
        return True

    impatient = Upstream(idle_timeout_s=0.2)
    _, url = await serve(slow)
    response = await impatient.send(url, "GET", b"/", [])
    with pytest.raises(EngineTimedOut, match=r"silent for 0\.2 s"):  # noqa: PT012
        while True:
            if not response.take():
                await response.next_part(take)
    assert len(passed) >= 5
    assert loop.time() - passed[-1] >= 0.19
    response.close()
    await impatient.close()
