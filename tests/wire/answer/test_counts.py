"""Counts that are no counts, in each API: they are dropped and counted, as numbers that cannot be true are."""

import json
from collections.abc import Mapping

import pytest

from concur_proxy.wire.answer.counts import UNREADABLE, count_of, total_of
from concur_proxy.wire.answer.dialects import ANSWER_DIALECTS
from concur_proxy.wire.answer.usage import Usage, plausible
from concur_proxy.wire.api_shape import ApiShape

NO_COUNTS = ["many", "100", 1.5, 100.0, True, [], {"a": 1}, -1, 10**20]
NO_JSON = ["NaN", "Infinity", "-Infinity", "1e400", "9" * 5_000]
"""As text, because Python or JSON does not accept them."""

FIELDS = {
    ApiShape.OPENAI: ("prompt_tokens", "completion_tokens"),
    ApiShape.RESPONSES: ("input_tokens", "output_tokens"),
    ApiShape.ANTHROPIC: ("input_tokens", "output_tokens"),
    ApiShape.SGLANG: ("prompt_tokens", "completion_tokens"),
}


def _body(shape: ApiShape, counts: Mapping[str, object], raw: str | None = None) -> bytes:
    body = json.dumps({"meta_info" if shape is ApiShape.SGLANG else "usage": counts})
    return (body if raw is None else body.replace('"RAW"', raw)).encode()


def _read(shape: ApiShape, body: bytes) -> Usage | None:
    return ANSWER_DIALECTS[shape].read_answer(body)


@pytest.mark.parametrize("shape", FIELDS)
@pytest.mark.parametrize("value", NO_COUNTS, ids=repr)
def test_what_is_no_count_is_reported_and_cannot_be_true(shape: ApiShape, value: object) -> None:
    prompt, completion = FIELDS[shape]
    for counts in ({prompt: value, completion: 5}, {prompt: 100, completion: value}):
        usage = _read(shape, _body(shape, counts))
        assert usage is not None
        assert plausible(usage) is None


@pytest.mark.parametrize("shape", FIELDS)
@pytest.mark.parametrize("raw", NO_JSON, ids=lambda raw: raw[:10])
def test_numbers_that_are_no_json_are_read_as_such(shape: ApiShape, raw: str) -> None:
    prompt, completion = FIELDS[shape]
    usage = _read(shape, _body(shape, {prompt: "RAW", completion: 5}, raw))
    assert usage is not None
    assert plausible(usage) is None


@pytest.mark.parametrize("value", ["x", 1.5, True, -1, 101])
@pytest.mark.parametrize(
    "counts",
    [
        (ApiShape.OPENAI, "prompt_tokens_details"),
        (ApiShape.RESPONSES, "input_tokens_details"),
    ],
)
def test_cached_tokens_that_are_no_count_are_left_out(counts: tuple[ApiShape, str], value: object) -> None:
    shape, details = counts
    prompt, completion = FIELDS[shape]
    inner: object
    for inner in ({"cached_tokens": value}, value):
        usage = _read(shape, _body(shape, {prompt: 100, completion: 5, details: inner}))
        assert usage is not None
        assert plausible(usage) == Usage(prompt_tokens=100, completion_tokens=5)


def test_a_wrong_part_of_a_sum_makes_the_sum_wrong() -> None:
    parts = {"input_tokens": 100, "cache_read_input_tokens": -50, "output_tokens": 5}
    usage = _read(ApiShape.ANTHROPIC, _body(ApiShape.ANTHROPIC, parts))
    assert usage is not None
    assert usage.prompt_tokens == UNREADABLE
    several = json.dumps([{"meta_info": {"prompt_tokens": tokens}} for tokens in (100, -50)]).encode()
    summed = _read(ApiShape.SGLANG, several)
    assert summed is not None
    assert summed.prompt_tokens == UNREADABLE


def test_a_later_event_can_correct_or_spoil_an_earlier_one() -> None:
    dialect = ANSWER_DIALECTS[ApiShape.ANTHROPIC]
    before = Usage(prompt_tokens=100, completion_tokens=0, cached_tokens=40)
    reading = dialect.read_event(b'{"type":"message_delta","usage":{"output_tokens":"x"}}', before)
    assert reading is not None
    assert reading.usage is not None
    assert plausible(reading.usage) is None
    again = dialect.read_event(b'{"type":"message_delta","usage":{"input_tokens":70,"output_tokens":5}}', reading.usage)
    assert again is not None
    assert again.usage == Usage(prompt_tokens=70, completion_tokens=5)


def test_whole_numbers_and_nothing_are_what_they_are() -> None:
    assert [count_of(value) for value in (None, 0, 7, -7)] == [None, 0, 7, -7]
    assert total_of(1, None, 2) == 3
    assert total_of() == 0


@pytest.mark.parametrize("shape", list(ApiShape))
def test_a_text_that_is_no_utf8_is_read_as_nothing(shape: ApiShape) -> None:
    dialect = ANSWER_DIALECTS[shape]
    for data in (
        b'{"system_fingerprint":"\xed"}',
        b'{"usage":{"prompt_tokens":"\xff"}}',
        b'{"meta_info":{"id":"\xff"}}',
    ):
        reading = dialect.read_event(data, None)
        assert reading is None or reading.usage is None
        assert dialect.read_answer(data) is None
