import pytest

from concur_proxy.wire.answer.apis.sglang import SGLangAnswers
from concur_proxy.wire.answer.usage import Usage

READER = SGLangAnswers()


def answer(name: bytes, cached: bytes = b"64") -> bytes:
    return (
        b'{"text":"ab","output_ids":[1,2],"meta_info":{"id":"%b","finish_reason":{"type":"length","length":7},'
        b'"prompt_tokens":120,"weight_version":"default","completion_tokens":7,"cached_tokens":%b,"e2e_latency":1.5}}'
        % (name, cached)
    )


ONE = Usage(prompt_tokens=120, completion_tokens=7, cached_tokens=64)


def test_an_answer() -> None:
    assert READER.read_answer(answer(b"g1")) == ONE


def test_several_answers_add_up() -> None:
    usage = READER.read_answer(b"[" + answer(b"g1") + b"," + answer(b"g2") + b"]")
    assert usage == Usage(prompt_tokens=240, completion_tokens=14, cached_tokens=128)
    usage = READER.read_answer(b"[" + answer(b"g1") + b"," + answer(b"g2", b"null") + b"]")
    assert usage is not None
    assert usage.cached_tokens is None


def test_last_events_of_several_answers_add_up() -> None:
    first = READER.read_event(answer(b"g1"), None)
    assert first is not None
    assert first.usage == ONE
    second = READER.read_event(answer(b"g2"), first.usage)
    assert second is not None
    assert second.usage is not None
    assert second.usage.prompt_tokens == 240


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b"[{}]",
        b'{"meta_info":null}',
        b'{"meta_info":{}}',
        b'{"error":{"message":"no"}}',
        b"[" * 100_000,
    ],
)
def test_what_tells_no_usage(body: bytes) -> None:
    assert READER.read_answer(body) is None
    assert READER.read_event(body, None) is None
