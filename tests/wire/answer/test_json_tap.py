import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concur_proxy.wire.answer.json_tap import MAX_PARSED_BYTES, TAIL_BYTES, AnswerTap
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

# what the largest answers consist of, and what their ends look like: text that speaks of usage, and other fields
# of the same name
LURE = 'my "usage": {"prompt_tokens": 1} \\ "meta_info":{"prompt_tokens":2}'


def answer(shape: ApiShape, size: int, after: dict[str, object] | None = None) -> bytes:
    value: dict[str, object] = {"content": "x" * size + LURE, **COUNTS[shape], **(after or {})}
    return json.dumps(value).encode()


def read(shape: ApiShape, body: bytes, step: int = 65_536) -> Usage | None:
    tap = AnswerTap(shape)
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
        tap = AnswerTap(shape)
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
    tap = AnswerTap(shape)
    for chunk in chunks:
        assert tap.feed(chunk) is chunk
    assert tap.finish() == b""
