import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concur_proxy.wire.answer.json_tap import ID_SEARCH_BYTES, MAX_PARSED_BYTES, TAIL_BYTES, JsonTap, ResponseIdTap
from concur_proxy.wire.answer.tap import choose_tap
from concur_proxy.wire.answer.usage import Usage
from concur_proxy.wire.api_shape import ApiShape

OPENAI_USAGE = {
    "prompt_tokens": 120,
    "total_tokens": 127,
    "completion_tokens": 7,
    "prompt_tokens_details": {"cached_tokens": 64},
}
COUNTS: dict[ApiShape, dict[str, object]] = {
    ApiShape.OPENAI: {"usage": OPENAI_USAGE},
    ApiShape.RESPONSES: {
        "usage": {"input_tokens": 120, "output_tokens": 7, "input_tokens_details": {"cached_tokens": 64}}
    },
    ApiShape.ANTHROPIC: {"usage": {"input_tokens": 56, "output_tokens": 7, "cache_read_input_tokens": 64}},
    ApiShape.SGLANG: {"meta_info": {"prompt_tokens": 120, "completion_tokens": 7, "cached_tokens": 64}},
}
COUNTED = Usage(prompt_tokens=120, completion_tokens=7, cached_tokens=64)

# The largest answers consist of such text, which mentions usage, and of other fields of the same name.
LURE = 'my "usage": {"prompt_tokens": 1} \\ "meta_info":{"prompt_tokens":2}'


def answer(shape: ApiShape, size: int, after: dict[str, object] | None = None) -> bytes:
    value: dict[str, object] = {"content": "x" * size + LURE, **COUNTS[shape], **(after or {})}
    return json.dumps(value).encode()


def read(shape: ApiShape, body: bytes, step: int = 65_536) -> Usage | None:
    tap = JsonTap(shape)
    for at in range(0, len(body), step):
        chunk = body[at : at + step]
        assert tap.feed(chunk) is chunk
    assert tap.usage is None
    assert tap.finish() == b""
    return tap.usage


@pytest.mark.parametrize("shape", ApiShape)
@pytest.mark.parametrize("size", [0, 1000, MAX_PARSED_BYTES - 5000, MAX_PARSED_BYTES, 3 * MAX_PARSED_BYTES])
def test_an_answer_of_any_size_tells_its_usage(shape: ApiShape, size: int) -> None:
    for step in (4096, 65_536, 4 * MAX_PARSED_BYTES):
        assert read(shape, answer(shape, size), step) == COUNTED


@pytest.mark.parametrize("shape", ApiShape)
def test_an_answer_cut_anywhere_is_the_same_answer(shape: ApiShape) -> None:
    body = answer(shape, 10)
    for cut in range(len(body) + 1):
        tap = JsonTap(shape)
        tap.feed(body[:cut])
        tap.feed(body[cut:])
        tap.finish()
        assert tap.usage == COUNTED


@pytest.mark.parametrize("shape", ApiShape)
def test_an_answer_around_the_size_that_is_parsed_tells_its_usage(shape: ApiShape) -> None:
    empty = len(answer(shape, 0))
    for size in range(MAX_PARSED_BYTES - empty - 2, MAX_PARSED_BYTES - empty + 3):
        assert read(shape, answer(shape, size)) == COUNTED


@pytest.mark.parametrize(
    "after",
    [
        {"service_tier": None, "note": LURE},
        {"tools": [{"parameters": {"properties": {"usage": {"type": "string"}, "meta_info": {"type": "object"}}}}]},
        {"list": ["usage", "meta_info", '"usage"']},
        {"metadata": {"usage": "heavy", "meta_info": None, "é": "\ud800"}},
    ],
)
@pytest.mark.parametrize("shape", ApiShape)
def test_other_fields_of_that_name_in_a_large_answers_end_do_not_mislead(
    shape: ApiShape, after: dict[str, object]
) -> None:
    assert read(shape, answer(shape, 2 * MAX_PARSED_BYTES, after)) == COUNTED


def test_usage_further_from_a_large_answers_end_is_unknown() -> None:
    body = answer(ApiShape.OPENAI, MAX_PARSED_BYTES, {"note": "y" * TAIL_BYTES})
    assert read(ApiShape.OPENAI, body) is None


def test_a_large_answer_that_ends_in_its_usage_key_tells_nothing() -> None:
    for end in (b'"usage"', b'"usage":', b'"usage":{"prompt_tokens":1', b'"usage":{"prompt_tokens":"', b'"usage":nul'):
        assert read(ApiShape.OPENAI, b"x" * (MAX_PARSED_BYTES + 1) + end) is None


@given(st.sampled_from(list(ApiShape)), st.lists(st.binary(max_size=20), max_size=8))
def test_any_bytes_pass_as_they_are(shape: ApiShape, chunks: list[bytes]) -> None:
    tap = JsonTap(shape)
    for chunk in chunks:
        assert tap.feed(chunk) is chunk
    assert tap.finish() == b""


WHOLE = b'{"id": "resp_1","object":"response","usage":{"input_tokens":3,"output_tokens":4}}'
EVENT = b'event: response.created\ndata: {"type":"response.created","response":{"id":"resp_1","usage":null}}\n\n'


def id_tap(content_type: bytes) -> tuple[ResponseIdTap, list[str]]:
    learnt: list[str] = []
    return ResponseIdTap(choose_tap(ApiShape.RESPONSES, [(b"content-type", content_type)]), learnt.append), learnt


@pytest.mark.parametrize(("content_type", "body"), [(b"application/json", WHOLE), (b"text/event-stream", EVENT)])
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_the_id_is_told_once_however_the_answer_is_cut_and_no_byte_changes(
    content_type: bytes, body: bytes, size: int
) -> None:
    subject, learnt = id_tap(content_type)
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    assert b"".join(map(subject.feed, pieces)) + subject.finish() == body
    assert learnt == ["resp_1"]


def test_an_event_is_plain_once_the_id_has_passed() -> None:
    subject, _ = id_tap(b"text/event-stream")
    event = b"data: {}\n\n"
    framed = b"%x\r\n%b\r\n" % (len(event), event)
    assert not subject.is_plain(framed)
    subject.feed(EVENT)
    assert subject.is_plain(framed)
    whole, _ = id_tap(b"application/json")
    whole.feed(WHOLE)
    assert not whole.is_plain(framed), "a JSON answer is kept whole"


def test_the_inner_tap_s_usage_is_read() -> None:
    subject, _ = id_tap(b"application/json")
    subject.feed(WHOLE)
    subject.finish()
    assert subject.usage is not None
    assert (subject.usage.prompt_tokens, subject.usage.completion_tokens) == (3, 4)


def test_only_the_beginning_is_searched() -> None:
    subject, learnt = id_tap(b"application/json")
    subject.feed(b" " * ID_SEARCH_BYTES)
    subject.feed(WHOLE)
    assert learnt == []


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (b"application/json", b'{"type":"message","id":"msg_1","content":[{"type":"tool_use","id":"toolu_1"}]}'),
        (b"text/event-stream", b'event: message_start\ndata: {"type":"message_start","message":{"id":"msg_1"}}\n\n'),
    ],
)
def test_a_message_has_an_id_of_its_own_form(content_type: bytes, body: bytes) -> None:
    learnt: list[str] = []
    inner = choose_tap(ApiShape.ANTHROPIC, [(b"content-type", content_type)])
    subject = ResponseIdTap(inner, learnt.append, ApiShape.ANTHROPIC)
    assert subject.feed(body) == body
    assert learnt == ["msg_1"]
