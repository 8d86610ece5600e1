import pytest

from concur_proxy.wire.answer.apis.openai import OpenAIAnswers
from concur_proxy.wire.answer.usage import Usage

READER = OpenAIAnswers()

ANSWER = (
    b'{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":'
    b'{"role":"assistant","content":"Hi","tool_calls":[]},"logprobs":null,"finish_reason":"tool_calls","stop_reason":null}],'
    b'"system_fingerprint":"f","usage":{"prompt_tokens":120,"total_tokens":127,"completion_tokens":7,'
    b'"prompt_tokens_details":%b},"prompt_logprobs":null}'
)


def test_an_answer() -> None:
    assert READER.read_answer(ANSWER % b'{"cached_tokens":64}') == Usage(
        prompt_tokens=120, completion_tokens=7, cached_tokens=64
    )


@pytest.mark.parametrize("details", [b"null", b"{}", b'{"cached_tokens":null}', b'{"multimodal_tokens":{"image":3}}'])
def test_untold_cached_tokens_are_unknown_not_zero(details: bytes) -> None:
    usage = READER.read_answer(ANSWER % details)
    assert usage is not None
    assert usage.cached_tokens is None


def test_zero_cached_tokens_are_zero() -> None:
    usage = READER.read_answer(ANSWER % b'{"cached_tokens":0}')
    assert usage is not None
    assert usage.cached_tokens == 0


def test_a_missing_completion_count_is_none_generated() -> None:
    usage = READER.read_answer(b'{"usage":{"prompt_tokens":3,"completion_tokens":null}}')
    assert usage == Usage(prompt_tokens=3, completion_tokens=0)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"usage":null}',
        b'{"usage":{}}',
        b'{"usage":{"prompt_tokens":null}}',
        b'{"usage":[1]}',
        b'{"error":{"message":"no"}}',
        b'{"usage":{"prompt_tokens":1}',
        b"[" * 100_000,
        b"\xff",
    ],
)
def test_what_tells_no_usage(body: bytes) -> None:
    assert READER.read_answer(body) is None


def test_an_event_tells_choices_their_end_and_fingerprint() -> None:
    reading = READER.read_event(b'{"choices":[{"finish_reason":null},{"finish_reason":"length"}]}', None)
    assert reading is not None
    assert (reading.choices, reading.ends_choice, reading.usage, reading.fingerprint) == (2, True, None, None)
    reading = READER.read_event(b'{"choices":[{"finish_reason":null}]}', None)
    assert reading is not None
    assert not reading.ends_choice
    reading = READER.read_event(b'{"choices":[],"system_fingerprint":"\\u00e9","usage":{"prompt_tokens":1}}', None)
    assert reading is not None
    assert reading.choices == 0
    assert reading.fingerprint == '"é"'.encode()
    assert reading.usage == Usage(prompt_tokens=1, completion_tokens=0)


def test_a_later_usage_replaces_and_silence_keeps_the_earlier() -> None:
    before = Usage(prompt_tokens=1, completion_tokens=1)
    kept = READER.read_event(b'{"choices":[{"finish_reason":"stop"}],"usage":null}', before)
    assert kept is not None
    assert kept.usage is before
    replaced = READER.read_event(b'{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}', before)
    assert replaced is not None
    assert replaced.usage == Usage(prompt_tokens=1, completion_tokens=2)
    assert READER.read_event(b'{"choices":3}', before) is None
