import itertools
import re
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concur_proxy.wire.answer.tap import MAX_READ_BYTES, MAX_STRIPPED_BYTES, StreamTap
from concur_proxy.wire.answer.usage import Usage
from concur_proxy.wire.api_shape import ApiShape
from tests.wire.answer import streams

RECORDINGS = {
    "vllm unasked": (ApiShape.OPENAI, streams.VLLM_UNASKED),
    "vllm asked": (ApiShape.OPENAI, streams.VLLM_ASKED),
    "vllm forced": (ApiShape.OPENAI, streams.VLLM_FORCED),
    "sglang asked": (ApiShape.OPENAI, streams.SGLANG_ASKED),
    "anthropic": (ApiShape.ANTHROPIC, streams.ANTHROPIC),
    "responses": (ApiShape.RESPONSES, streams.RESPONSES),
    "sglang generate": (ApiShape.SGLANG, streams.SGLANG_GENERATE),
}

TELLING = re.compile(rb'"usage"(?!:null)|"finish_reason":["{]')
"""In events that may say something about usage."""


class Seen:
    """What the client gets and the gateway reads of one stream in these chunks. It is the same if those that are plain
    pass by.
    """

    def __init__(
        self, shape: ApiShape, chunks: Iterable[bytes], *, strip: bool, fingerprint: bytes | None = None
    ) -> None:
        tap = StreamTap(shape, strip=strip, fingerprint=fingerprint)
        by = StreamTap(shape, strip=strip, fingerprint=fingerprint)
        whole, passed_by = b"", b""
        for chunk in chunks:
            whole += tap.feed(chunk)
            passed_by += chunk if chunk and by.is_plain(framed(chunk)) else by.feed(chunk)
        self.output = whole + tap.finish()
        self.usage = tap.usage
        self.fingerprint = tap.fingerprint
        assert self.output == passed_by + by.finish()
        assert (by.usage, by.fingerprint, by.has_ended_choice) == (tap.usage, tap.fingerprint, tap.has_ended_choice)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Seen) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(vars(self))


def framed(chunk: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(chunk), chunk)


def with_crlf(events: Iterable[bytes]) -> list[bytes]:
    return [event.replace(b"\n", b"\r\n") for event in events]


def pieces(stream: bytes, cuts: Iterable[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    return [stream[start:end] for start, end in itertools.pairwise(edges)]


@pytest.mark.parametrize("ending", [b"\n", b"\r\n", b"\r"], ids=["lf", "crlf", "cr"])
@pytest.mark.parametrize("strip", [False, True])
@pytest.mark.parametrize("name", RECORDINGS)
def test_a_stream_cut_anywhere_is_the_same_stream(name: str, strip: bool, ending: bytes) -> None:  # noqa: FBT001
    shape, events = RECORDINGS[name]
    stream = b"".join(events).replace(b"\n", ending)
    whole = Seen(shape, [stream], strip=strip, fingerprint=streams.FINGERPRINT)
    assert (whole.usage is not None) == (name != "vllm unasked")
    for cut in range(len(stream) + 1):
        cut_once = Seen(shape, [stream[:cut], stream[cut:]], strip=strip, fingerprint=streams.FINGERPRINT)
        assert cut_once == whole, cut
    single_bytes = [bytes((byte,)) for byte in stream]
    assert Seen(shape, single_bytes, strip=strip, fingerprint=streams.FINGERPRINT) == whole


@given(st.sampled_from(sorted(RECORDINGS)), st.booleans(), st.lists(st.integers(0, 5000), max_size=12))
def test_a_stream_in_any_pieces_is_the_same_stream(name: str, strip: bool, cuts: list[int]) -> None:  # noqa: FBT001
    shape, events = RECORDINGS[name]
    stream = b"".join(events)
    assert Seen(shape, pieces(stream, cuts), strip=strip) == Seen(shape, [stream], strip=strip)


@pytest.mark.parametrize("name", [name for name in RECORDINGS if name != "vllm unasked"])
def test_every_api_tells_its_usage_in_a_stream(name: str) -> None:
    shape, events = RECORDINGS[name]
    usage = Seen(shape, events, strip=False).usage
    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens, usage.cached_tokens) == (120, 7, 64)


@pytest.mark.parametrize("convert", [list, with_crlf])
def test_stripped_vllm_sends_what_it_would_have_sent_unasked(convert: type[list[bytes]]) -> None:
    asked, unasked = convert(streams.VLLM_ASKED), convert(streams.VLLM_UNASKED)
    seen = Seen(ApiShape.OPENAI, asked, strip=True, fingerprint=streams.FINGERPRINT)
    assert seen.output == b"".join(unasked)
    assert seen.usage == Usage(prompt_tokens=120, completion_tokens=7, cached_tokens=64)


def test_the_fingerprint_is_learnt_from_streams_of_either_kind() -> None:
    for events in (streams.VLLM_ASKED, streams.VLLM_UNASKED):
        assert Seen(ApiShape.OPENAI, events, strip=False).fingerprint == streams.FINGERPRINT
    assert Seen(ApiShape.OPENAI, streams.SGLANG_ASKED, strip=True).fingerprint is None


def test_the_fingerprint_is_put_back_at_the_end_of_every_choice() -> None:
    # vLLM 0.32 chat_completion/serving.py: "Stamp the fingerprint on terminal chunks only", one for each of `n`
    end = streams.vllm_text(b'"a"', b'"stop"')
    stamped = streams.vllm_text(b'"a"', b'"stop"', b',"system_fingerprint":' + streams.FINGERPRINT)
    asked = [end, streams.vllm_text(b'"b"'), end, streams.VLLM_USAGE_EVENT, streams.DONE]
    seen = Seen(ApiShape.OPENAI, asked, strip=True, fingerprint=streams.FINGERPRINT)
    assert seen.output == b"".join([stamped, streams.vllm_text(b'"b"'), stamped, streams.DONE])


def test_without_a_known_fingerprint_only_the_usage_event_is_taken() -> None:
    kept = [event for event in streams.VLLM_ASKED if event != streams.VLLM_USAGE_EVENT]
    assert Seen(ApiShape.OPENAI, streams.VLLM_ASKED, strip=True).output == b"".join(kept)


def test_stripped_sglang_keeps_its_own_event_without_choices() -> None:
    kept = [event for event in streams.SGLANG_ASKED if b'"usage":{' not in event]
    assert Seen(ApiShape.OPENAI, streams.SGLANG_ASKED, strip=True).output == b"".join(kept)


@pytest.mark.parametrize("name", ["vllm unasked", "vllm forced"])
def test_an_engine_that_does_as_it_would_unasked_is_left_alone(name: str) -> None:
    shape, events = RECORDINGS[name]
    seen = Seen(shape, events, strip=True, fingerprint=b'"another"')
    assert seen.output == b"".join(events)


def test_whole_events_pass_at_once_and_only_an_unfinished_one_waits() -> None:
    tap = StreamTap(ApiShape.OPENAI, strip=True)
    first, second = streams.VLLM_ASKED[:2]
    assert tap.feed(first) == first
    assert tap.feed(second + first[:9]) == second
    assert tap.feed(first[9:30]) == b""
    assert tap.feed(first[30:]) == first
    assert tap.feed(b": a comment\n\n") == b": a comment\n\n"
    assert tap.feed(first[:9]) == b""
    assert tap.finish() == first[:9]


def test_a_common_chunk_is_handed_on_as_the_object_it_is() -> None:
    tap = StreamTap(ApiShape.OPENAI, strip=True)
    assert tap.feed(streams.VLLM_ASKED[0]) is streams.VLLM_ASKED[0]


@pytest.mark.parametrize("name", ["vllm unasked", "vllm asked", "sglang asked", "anthropic"])
def test_most_events_of_a_stream_are_plain(name: str) -> None:
    shape, events = RECORDINGS[name]
    tap = StreamTap(shape, strip=True)
    plain = [tap.is_plain(framed(event)) for event in events]
    assert plain == [TELLING.search(event) is None for event in events]


def test_no_event_is_plain_after_the_beginning_of_another() -> None:
    tap = StreamTap(ApiShape.OPENAI)
    tap.feed(b"data: {")
    assert not tap.is_plain(framed(b"}\n\n"))
    tap.feed(b"}\n\n")
    assert tap.is_plain(framed(b"data: {}\n\n"))
    assert not tap.is_plain(framed(b"data: {}\n"))


def test_a_stream_that_breaks_off_loses_nothing_but_a_whole_usage_event() -> None:
    stream = b"".join(streams.VLLM_ASKED)
    start = stream.index(streams.VLLM_USAGE_EVENT)
    complete = start + len(streams.VLLM_USAGE_EVENT.rstrip())
    for end in range(len(stream) - len(streams.DONE)):
        expected = stream[:start] if end >= complete else stream[:end]
        assert Seen(ApiShape.OPENAI, [stream[:end]], strip=True).output == expected, end


@pytest.mark.parametrize(
    "size", [MAX_STRIPPED_BYTES - 100, MAX_STRIPPED_BYTES, 3 * MAX_STRIPPED_BYTES, 40 * MAX_STRIPPED_BYTES]
)
def test_a_giant_event_passes_and_the_usage_event_after_it_does_not(size: int) -> None:
    giant = streams.vllm_text(b'"' + b"x" * size + b'"')
    stream = giant + b"".join(streams.VLLM_ASKED)
    expected = giant + b"".join(event for event in streams.VLLM_ASKED if event != streams.VLLM_USAGE_EVENT)
    for step in (4096, 65_537, len(stream)):
        chunks = [stream[at : at + step] for at in range(0, len(stream), step)]
        seen = Seen(ApiShape.OPENAI, chunks, strip=True)
        assert seen.output == expected
        assert seen.usage is not None


def test_no_more_of_a_giant_event_is_held_than_a_usage_event_could_take() -> None:
    tap = StreamTap(ApiShape.OPENAI, strip=True)
    passed = sum(len(tap.feed(b"x" * 4096)) for _ in range(64))
    assert passed >= 64 * 4096 - MAX_STRIPPED_BYTES - 4096
    assert passed + len(tap.finish()) == 64 * 4096


def test_a_response_repeated_at_its_streams_end_is_read_however_long() -> None:
    completed = streams.RESPONSES[-1].replace(b'"type":"reasoning"', b'"text":"' + b"x" * 3_000_000 + b'"')
    stream = b"".join([*streams.RESPONSES[:-1], completed])
    assert len(stream) < MAX_READ_BYTES
    chunks = [stream[at : at + 65_536] for at in range(0, len(stream), 65_536)]
    usage = Seen(ApiShape.RESPONSES, chunks, strip=False).usage
    assert usage is not None
    assert usage.context_tokens == 127


def test_a_stream_that_never_ends_an_event_is_not_kept_whole() -> None:
    tap = StreamTap(ApiShape.RESPONSES)
    chunk = b"x" * 1_000_000
    for _ in range(3 * MAX_READ_BYTES // len(chunk)):
        assert tap.feed(chunk) is chunk
    assert len(tap._unfinished) < MAX_READ_BYTES


LINES = [
    b"\n",
    b"\r",
    b"\r\n",
    b"\n\n",
    b"\r\n\r\n",
    b"\n\r\n",
    b"data:",
    b"data: ",
    b"event: x\n",
    b"\x00\xff",
    b"{",
    b"}",
]
FRAGMENTS = st.sampled_from(
    [*LINES, b'"usage":', b'"usage":null', b'"finish_reason":"stop"', b'data: {"usage":7}\n\n', *streams.VLLM_ASKED]
)
GARBAGE = st.binary(max_size=30) | st.sampled_from(LINES)


@given(st.sampled_from(list(ApiShape)), st.lists(FRAGMENTS | st.binary(max_size=30), max_size=12))
def test_a_stream_that_is_only_read_passes_as_it_is(shape: ApiShape, chunks: list[bytes]) -> None:
    tap = StreamTap(shape)
    for chunk in chunks:
        assert tap.feed(chunk) is chunk
    assert tap.finish() == b""


@given(st.lists(GARBAGE, max_size=20))
def test_a_stream_of_garbage_passes_byte_for_byte_even_when_stripping(chunks: list[bytes]) -> None:
    assert Seen(ApiShape.OPENAI, chunks, strip=True, fingerprint=b'"f"').output == b"".join(chunks)


@given(st.lists(FRAGMENTS | GARBAGE, max_size=12), st.lists(st.integers(0, 5000), max_size=12))
def test_what_is_stripped_does_not_depend_on_the_chunks(fragments: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(fragments)
    whole = Seen(ApiShape.OPENAI, [stream], strip=True)
    assert Seen(ApiShape.OPENAI, pieces(stream, cuts), strip=True) == whole


WHOLE_EVENTS = st.sampled_from([*streams.VLLM_ASKED, *streams.SGLANG_ASKED, b": a comment\n\n", b"\n", b"\r\n"])


@given(st.lists(WHOLE_EVENTS, max_size=12), st.lists(st.integers(0, 5000), max_size=12))
def test_stripping_takes_the_usage_events_and_nothing_else(events: list[bytes], cuts: list[int]) -> None:
    kept = b"".join(event for event in events if b'"choices":[],"usage":{' not in event)
    assert Seen(ApiShape.OPENAI, pieces(b"".join(events), cuts), strip=True).output == kept


@pytest.mark.parametrize("end", [b"\n\n", b"\r\n\r\n"])
def test_a_comment_is_no_token_and_hides_none(end: bytes) -> None:
    tap = StreamTap(ApiShape.OPENAI)
    event = b'data: {"choices": [{"delta": {"content": "a"}}]}' + end
    assert not tap.has_token(b": ping" + end)
    assert not tap.has_token(b": ping" + end + b": ping")
    assert tap.has_token(b": ping" + end + event)


def test_a_hostile_event_is_passed_on_unread() -> None:
    lines = b"data: \n" * 10_000 + b'data: {"usage":{"prompt_tokens":1},"finish_reason":"x"}\n\n'
    numbers = b'data: {"choices":[%b],"x":NaN,"usage":{"prompt_tokens":1}}\n\n' % (b"{}," * 100_000 + b"{}")
    for event in (lines, numbers):
        seen = Seen(ApiShape.OPENAI, [event], strip=True)
        assert (seen.output, seen.usage) == (event, None)
