import pytest

from concur_proxy.wire.answer.apis.responses import ResponsesAnswers
from concur_proxy.wire.answer.usage import Usage

READER = ResponsesAnswers()

RESPONSE = (
    b'{"id":"resp_1","object":"response","status":"completed","output":%b,"usage":{"input_tokens":120,'
    b'"input_tokens_details":{"cached_tokens":64,"input_tokens_per_turn":[]},"output_tokens":7,"total_tokens":127}}'
)
USAGE = Usage(prompt_tokens=120, completion_tokens=7, cached_tokens=64)


def test_an_answer() -> None:
    assert READER.read_answer(RESPONSE % b'[{"type":"message","content":[]}]') == USAGE


def test_the_completed_event_holds_the_response() -> None:
    reading = READER.read_event(b'{"type":"response.completed","response":' + RESPONSE % b"[]" + b"}", None)
    assert reading is not None
    assert reading.usage == USAGE


def test_chat_completions_words_are_understood_too() -> None:
    usage = READER.read_answer(
        b'{"id":"r","usage":{"prompt_tokens":5,"completion_tokens":2,"prompt_tokens_details":{"cached_tokens":1}}}'
    )
    assert usage == Usage(prompt_tokens=5, completion_tokens=2, cached_tokens=1)


def test_events_without_usage_keep_what_was_known() -> None:
    for data in (b'{"response":{"id":"r","usage":null}}', b'{"type":"x"}', b'{"response":null}'):
        reading = READER.read_event(data, USAGE)
        assert reading is not None
        assert reading.usage is USAGE


@pytest.mark.parametrize("body", [b"", b"{}", b'{"usage":null}', b'{"usage":{}}', b'{"output":{}}', b"[" * 100_000])
def test_what_tells_no_usage(body: bytes) -> None:
    assert READER.read_answer(body) is None
    reading = READER.read_event(body, None)
    assert reading is None or reading.usage is None
