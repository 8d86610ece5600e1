import json

from anthropic._streaming import SSEDecoder as AnthropicDecoder
from openai._streaming import SSEDecoder as OpenAIDecoder

from concur_proxy.wire.answer.keepalive import keep_alive_comment


def test_it_tells_place_and_wait() -> None:
    assert keep_alive_comment(position=3, expected_wait_s=12.4) == b": concur-proxy position=3 expected_wait_s=12\n\n"


def test_it_leaves_out_what_is_unknown() -> None:
    assert keep_alive_comment() == b": concur-proxy\n\n"
    assert keep_alive_comment(position=1) == b": concur-proxy position=1\n\n"
    assert keep_alive_comment(expected_wait_s=-0.2) == b": concur-proxy expected_wait_s=0\n\n"


def test_the_sdks_see_only_the_events_around_it() -> None:
    comment = keep_alive_comment(position=3, expected_wait_s=12)
    stream = [comment, comment, b'event: e\ndata: {"a": 1}\n\n', comment, b'event: e\ndata: {"a": 2}\n\n']
    for decoder in (OpenAIDecoder(), AnthropicDecoder()):
        assert [json.loads(event.data) for event in decoder.iter_bytes(iter(stream))] == [{"a": 1}, {"a": 2}]
