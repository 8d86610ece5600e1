import pytest

from concur_proxy.wire.answer.apis.anthropic import AnthropicAnswers
from concur_proxy.wire.answer.usage import Usage

READER = AnthropicAnswers()


def after(*events: bytes) -> Usage | None:
    usage = None
    for event in events:
        reading = READER.read_event(event, usage)
        assert reading is not None
        usage = reading.usage
    return usage


def start(usage: bytes) -> bytes:
    return b'{"type":"message_start","message":{"id":"msg_1","usage":%b}}' % usage


def delta(usage: bytes) -> bytes:
    return b'{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":%b}' % usage


def test_the_prompt_is_what_was_new_read_from_and_written_to_the_cache() -> None:
    usage = READER.read_answer(
        b'{"id":"msg_1","type":"message","role":"assistant","content":[{"type":"text","text":"usage"}],"stop_reason":"end_turn",'
        b'"usage":{"input_tokens":20,"cache_read_input_tokens":64,"cache_creation_input_tokens":36,"output_tokens":7}}'
    )
    assert usage == Usage(prompt_tokens=120, completion_tokens=7, cached_tokens=64)


def test_untold_cache_is_unknown() -> None:
    usage = READER.read_answer(b'{"usage":{"input_tokens":20,"output_tokens":7,"cache_read_input_tokens":null}}')
    assert usage == Usage(prompt_tokens=20, completion_tokens=7)


def test_vllm_corrects_the_prompt_at_the_end() -> None:
    # message_start counts the whole prompt, message_delta knows what was cached
    usage = after(
        start(b'{"input_tokens":120,"output_tokens":0}'),
        delta(b'{"input_tokens":56,"output_tokens":7,"cache_read_input_tokens":64}'),
    )
    assert usage == Usage(prompt_tokens=120, completion_tokens=7, cached_tokens=64)


def test_sglang_tells_only_the_output_at_the_end() -> None:
    usage = after(
        start(b'{"input_tokens":56,"cache_read_input_tokens":64,"output_tokens":0}'),
        delta(b'{"output_tokens":7}'),
    )
    assert usage == Usage(prompt_tokens=120, completion_tokens=7, cached_tokens=64)


def test_a_prompt_of_nothing_at_the_end_is_no_correction() -> None:
    usage = after(start(b'{"input_tokens":120}'), delta(b'{"input_tokens":0,"output_tokens":7}'))
    assert usage is not None
    assert usage.prompt_tokens == 120


def test_an_end_without_a_beginning() -> None:
    assert after(delta(b'{"output_tokens":7}')) is None
    assert after(delta(b'{"input_tokens":3,"output_tokens":7}')) == Usage(prompt_tokens=3, completion_tokens=7)


def test_other_events_keep_what_was_known() -> None:
    known = after(start(b'{"input_tokens":120}'))
    for event in (b'{"type":"ping"}', b'{"type":"content_block_delta","delta":{"text":"x"}}', start(b"null")):
        reading = READER.read_event(event, known)
        assert reading is not None
        assert reading.usage is known


@pytest.mark.parametrize("body", [b"", b"[]", b'{"usage":3}', b'{"type":"error","error":{}}', b"[" * 100_000])
def test_what_tells_no_usage(body: bytes) -> None:
    assert READER.read_answer(body) is None
    reading = READER.read_event(body, None)
    assert reading is None or reading.usage is None
