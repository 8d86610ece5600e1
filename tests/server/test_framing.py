"""Any framing, valid or not: what the engine gets is what the gateway's parser reads, and what h11 reads.

h11 is an independent implementation of RFC 9112. Where both accept a request, they must agree on it, the engine gets at
most one request for each request that was sent, and none that h11 refuses for its framing. This is what makes request
smuggling impossible.
"""

import asyncio
import itertools
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import h11
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from concur_proxy.monitoring.own_clients import USER_AGENT
from tests.fuzz.framing import Request, check_agreement, read_as_gateway, read_as_h11
from tests.http.running_gateway import RunningGateway, running_gateway
from tests.http.served import served

pytestmark = pytest.mark.asyncio(loop_scope="module")

OWN = USER_AGENT.encode()
REFUSED_TOO = re.compile("content-length|transfer-encoding|host|chunk|header line", re.IGNORECASE)
"""What h11 refuses for such a reason does not reach the engine either. The gateway is only more lenient about the
request line: more than one space in it, or a line feed before it. h11 reads at most 20 digits of a size.
"""
NUMBERS = itertools.count(1)


@dataclass(slots=True)
class RecordingEngine:
    """An engine that reads with h11 what the gateway sends, and keeps it."""

    url: str = ""
    seen: list[Request] = field(default_factory=list)
    invalid: list[str] = field(default_factory=list)
    """What h11 did not accept."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve the requests of one connection."""
        connection, request = h11.Connection(h11.SERVER), Request()
        try:
            while True:
                event = connection.next_event()
                if event is h11.NEED_DATA:
                    connection.receive_data(await reader.read(65_536))
                elif isinstance(event, h11.Request):
                    request = Request(event.method, event.target, fields=list(event.headers))
                elif isinstance(event, h11.Data):
                    request.body += bytes(event.data)
                elif isinstance(event, h11.EndOfMessage):
                    if (b"user-agent", OWN) not in request.fields:
                        self.seen.append(request)
                    writer.write(connection.send(h11.Response(status_code=200, headers=[(b"content-length", b"2")])))
                    if request.method != b"HEAD":
                        writer.write(connection.send(h11.Data(b"{}")))
                    writer.write(connection.send(h11.EndOfMessage()))
                    connection.start_next_cycle()
                else:
                    return
        except h11.RemoteProtocolError as error:
            self.invalid.append(str(error))
        except (ConnectionError, h11.LocalProtocolError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def recording_engine() -> AsyncIterator[RecordingEngine]:
    engine = RecordingEngine()
    async with served(engine.serve) as engine.url:
        yield engine


Pair = tuple[RecordingEngine, RunningGateway]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pair() -> AsyncIterator[Pair]:
    async with recording_engine() as engine, running_gateway(engine.url) as gateway:
        yield engine, gateway


# -- what is sent

CASE = b"x-case"
TARGETS = st.sampled_from([b"/tokenize", b"/v1/completions", b"/v1/models", b"/flush_cache", b"/v1/models?a=%20b"])
METHODS = st.sampled_from([b"POST", b"GET", b"PUT", b"HEAD", b"OPTIONS", b"post"])
VERSIONS = st.sampled_from([b" HTTP/1.1"] * 4 + [b" HTTP/1.0", b" HTTP/2.0", b" HTTP/0.9", b"", b" HTTP/1.11"])
INNER = b"GET /v1/models?smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
BODIES = st.sampled_from(
    [b"", b"{}", b"0\r\n\r\n", b"2\r\n{}\r\n0\r\n\r\n", INNER, b"0\r\n\r\n" + INNER, b"{}" + INNER]
)
# NN stands for the right number.
LENGTHS = st.sampled_from(
    [b"NN"] * 3 + [b"+NN", b"-NN", b"0NN", b"NN, NN", b"NN,NN", b"NN ", b"\tNN", b"NN;", b"0xNN", b"NN\x0b", b" ",
     b"NN_0", b"NN.0", b"NNe0", b"N N", b'"NN"', b"0" * 16 + b"NN", b"18446744073709551616", b"1844674407370955162NN",
     b"\xd9\xa1", b"\xef\xbc\x91", b"\xb2", b"NN\x00", b"\x00NN", b"NN,", b",NN"]
)  # fmt: skip
CODINGS = st.sampled_from(
    [b"chunked", b"Chunked", b"chunked ", b"\x0bchunked", b"xchunked", b"chunked, identity", b"identity, chunked",
     b"gzip, chunked", b"chunked, chunked", b"identity", b"", b"chunked;a=b", b'"chunked"', b"chunk\xc2\xaded",
     b"CHUNKED", b"chunked,", b",chunked", b"chunked\x00", b"chunked\t", b"gzip;q=1, chunked",
     b"c\xc2\xadhunked", b"trailers"]
)  # fmt: skip
FRAMING = st.sampled_from([(b"Content-Length", LENGTHS), (b"Transfer-Encoding", CODINGS)])
BETWEEN = st.sampled_from(
    [b": "] * 8 + [b":", b" : ", b"\t: ", b" :", b":\r\n ", b":\n ", b"\r\n : ", b"\x0b: ", b"\x00: "]
)
BEFORE = st.sampled_from([b""] * 8 + [b" ", b"x-", b"\t", b"\x00"])
ENDS = st.sampled_from([b"\r\n"] * 16 + [b"\n", b"\r", b"\r\r\n", b"\r\n "])
SIZES = st.sampled_from(
    [b"NN"] * 12
    + [b"00NN", b"NN;a=b", b'NN;a="\r"', b"NN ", b"0xNN", b"+NN", b"-NN", b"NN\n", b"1NN"]
    + [b" NN", b"\tNN", b"NN\t", b"NN ;a", b"NN;", b"NN; a = b", b'NN;a="b;c"', b"NN;a=\xff", b"NN;\x00", b"NN;a\nb"]
    + [b"0" * 15 + b"NN", b"10000000000000000", b"1000000000000000NN", b"FFFFFFFFFFFFFFFFF", b"NN_"]
    + [b"\xd9\xa1", b"\xef\xbc\x91", b"NN\x00", b"\x00NN", b"", b"NN,NN"]
)
CHUNKS = st.sampled_from([b"{", b"}", b"\r\n", b"a" * 27, INNER])
LAST = st.sampled_from(
    [b"0\r\n\r\n"] * 4
    + [b"0\r\nx: y\r\n\r\n", b"0\r\nContent-Length: 5\r\n\r\n", b"00\r\n\r\n", b"0\n\n", b""]
    + [b"0\r\nTransfer-Encoding: chunked\r\n\r\n", b"0\r\nHost: other\r\n\r\n", b"0;a\r\n\r\n", b"0\r\nx: y\n\r\n"]
    + [
        b"0\r\n x: y\r\n\r\n",
        b"0\r\nx : y\r\n\r\n",
        b"0\r\nx\r\n\r\n",
        b"0\r\n\n",
        b"0\r\n\r",
        b"0\r\nx: y\r\n z\r\n\r\n",
    ]
)
HOSTS = st.sampled_from([b"Host: gateway\r\n"] * 8 + [b"", b"Host: a\r\nHost: a\r\n", b"Host: a b\r\n", b"Host:\r\n"])


@st.composite
def fields(draw: st.DrawFn, length: int) -> bytes:
    """Up to three fields that say where the body ends."""
    lines = []
    for name, values in draw(st.lists(FRAMING, max_size=3)):
        value = draw(values).replace(b"NN", b"%d" % length)
        lines += [draw(BEFORE), name, draw(BETWEEN), value, draw(ENDS)]
    return b"".join(lines)


@st.composite
def odd_requests(draw: st.DrawFn) -> bytes:
    """A request whose framing may be anything."""
    body = draw(BODIES)
    line = b"%b %b%b\r\n" % (draw(METHODS), draw(TARGETS), draw(VERSIONS))
    return b"".join([line, draw(HOSTS), b"X-Case: CASE\r\n", draw(fields(len(body))), b"\r\n", body])


@st.composite
def chunked_requests(draw: st.DrawFn) -> bytes:
    """A request in chunks, written in all ways that are allowed and some that are not."""
    parts = []
    for chunk in draw(st.lists(CHUNKS, max_size=4)):
        parts += [draw(SIZES).replace(b"NN", b"%X" % len(chunk)), draw(ENDS), chunk, draw(ENDS)]
    return b"".join([POST, b"Transfer-Encoding: chunked\r\n\r\n", *parts, draw(LAST)])


@st.composite
def valid_requests(draw: st.DrawFn) -> bytes:
    """A request that every server reads in the same way."""
    body = draw(BODIES)
    return POST + b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


CHANGES = st.tuples(st.integers(0, 5000), st.sampled_from([b"", b"\r", b"\n", b"\r\n", b":", b" ", b"\x00", b"0"]))
POST = b"POST /tokenize HTTP/1.1\r\nHost: gateway\r\nX-Case: CASE\r\n"


@st.composite
def inputs(draw: st.DrawFn) -> bytes:
    """What a client sends on one connection: some requests, perhaps with some bytes changed."""
    data = b"".join(draw(st.lists(valid_requests() | odd_requests() | chunked_requests(), min_size=1, max_size=4)))
    for place, what in draw(st.just([]) | st.lists(CHANGES, max_size=2)):
        at = place % len(data)
        data = data[:at] + what + data[at + 1 :]
    return data


# -- what must be so


def sent_by(request: Request, number: int) -> bool:
    """Whether a request may belong to this case: a late one of an earlier case says so."""
    values = [value for name, value in request.fields if name == CASE]
    return not (values and values[0].isdigit() and int(values[0]) < number)


async def exchange(gateway: RunningGateway, pieces: list[bytes]) -> bytes:
    """Send the pieces, then nothing more, and return all that comes back."""
    host, _, port = gateway.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        writer.write_eof()
        return await asyncio.wait_for(reader.read(), 20)
    except OSError:  # the gateway has closed the connection
        return b""
    finally:
        writer.close()


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(template=inputs(), cuts=st.lists(st.integers(0, 5000), max_size=3))
@example(template=POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + INNER, cuts=[])
@example(template=POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" + INNER, cuts=[])
@example(template=POST + b"Content-Length: 2\r\nContent-Length: 49\r\n\r\n{}" + INNER, cuts=[])
@example(template=b"GET /v1/models\r\nX-Case: CASE\r\n\r\n" + INNER, cuts=[])
@example(template=b"GET /v1/models HTTP/2.0\r\nX-Case: CASE\r\n\r\n" + INNER, cuts=[])
@example(template=(POST + b"Content-Length: 2\r\n\r\n{}") * 3, cuts=[40, 90, 130])
async def test_what_the_engine_gets_is_what_was_sent(pair: Pair, template: bytes, cuts: list[int]) -> None:
    engine, gateway = pair
    number = next(NUMBERS)
    data = template.replace(b"CASE", b"%d" % number)
    check_agreement(data)
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    engine.seen.clear()
    answered = await exchange(gateway, [data[start:end] for start, end in itertools.pairwise(edges)])
    got = [(one.target, one.body) for one in engine.seen if sent_by(one, number)]
    ours, _ = read_as_gateway(data)
    theirs, problem = read_as_h11(data)
    assert not engine.invalid
    expected = iter((one.target, one.body) for one in ours)
    assert all(one in expected for one in got), "the engine got something else, or in another order"
    if problem is None or REFUSED_TOO.search(problem):
        assert len(got) <= len(theirs), problem
    assert answered.count(b"HTTP/1.1 200 OK") <= len(got)
