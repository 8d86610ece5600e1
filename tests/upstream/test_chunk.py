"""One chunk, recognised without a parser."""

import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from concur_proxy.upstream.chunk import is_one_chunk

SIZES = (1, 9, 10, 15, 16, 17, 159, 160, 175, 255, 256, 257, 4095, 4096, 65_535, 65_536, 1_048_576)


@pytest.mark.parametrize("form", [b"%x", b"%X"])
@pytest.mark.parametrize("size", SIZES)
def test_a_chunk_of_any_size_is_recognised(size: int, form: bytes) -> None:
    chunk = form % size + b"\r\n" + b"\n" * size + b"\r\n"
    assert is_one_chunk(chunk)
    for other in (chunk[:-1], chunk[1:], chunk + b"0", chunk + chunk, b"0" + chunk, chunk[:-2] + b"\n\n"):
        assert not is_one_chunk(other)


@pytest.mark.parametrize(
    "data",
    [b"", b"0\r\n\r\n", b"1\r\n", b"3;x\r\nabc\r\n", b"3 \r\nabc\r\n", b"03\r\nabc\r\n", b"3\nabc\r\n", b"aB\r\n"],
)
def test_anything_else_is_left_to_the_parser(data: bytes) -> None:
    assert not is_one_chunk(data)


class Seen:
    """What llhttp finds in the body of an answer."""

    def __init__(self, body: bytes) -> None:
        self.body = b""
        self.chunks = 0
        self.is_complete = False
        parser = httptools.HttpResponseParser(self)
        parser.feed_data(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        parser.feed_data(body)

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_chunk_complete(self) -> None:
        self.chunks += 1

    def on_message_complete(self) -> None:
        self.is_complete = True


@given(st.integers(0, 300), st.sampled_from([b"%x", b"%X", b"0%x", b"%x;x"]), st.integers(-1, 1), st.data())
def test_what_is_recognised_is_one_chunk_for_the_parser_too(
    size: int, form: bytes, wrong: int, data: st.DataObject
) -> None:
    body = data.draw(st.binary(min_size=size, max_size=size) | st.just(b"\r\n0\r\n\r\n"[:size].ljust(size, b"1")))
    chunk = form % max(0, size + wrong) + b"\r\n" + body + b"\r\n"
    assert is_one_chunk(chunk) == (size > 0 and wrong == 0 and form in {b"%x", b"%X"})
    if is_one_chunk(chunk):
        seen = Seen(chunk + b"0\r\n\r\n")
        assert (seen.body, seen.chunks, seen.is_complete) == (body, 2, True)
