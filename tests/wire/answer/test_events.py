import json

import pytest
from anthropic._streaming import SSEDecoder as AnthropicDecoder
from openai._streaming import SSEDecoder as OpenAIDecoder

from concur_proxy.wire.answer.events import keep_alive, keep_alive_comment, late_error
from concur_proxy.wire.api_shape import ApiShape


def test_a_comment_has_place_and_wait() -> None:
    assert keep_alive_comment(position=3, expected_wait_s=12.4) == b": concur-proxy position=3 expected_wait_s=12\n\n"
    assert keep_alive_comment(position=1, expected_wait_s=-0.2) == b": concur-proxy position=1 expected_wait_s=0\n\n"


def test_the_sdks_see_only_the_events_around_a_comment() -> None:
    comment = keep_alive_comment(position=3, expected_wait_s=12)
    stream = [comment, comment, b'event: e\ndata: {"a": 1}\n\n', comment, b'event: e\ndata: {"a": 2}\n\n']
    for decoder in (OpenAIDecoder(), AnthropicDecoder()):
        assert [json.loads(event.data) for event in decoder.iter_bytes(iter(stream))] == [{"a": 1}, {"a": 2}]


def test_only_messages_and_chosen_chats_get_an_event() -> None:
    comment = keep_alive_comment(position=3, expected_wait_s=12)

    def events(path: str, model: str | None) -> list[object]:
        sent = keep_alive(path, position=3, expected_wait_s=12, chunk_model=model)
        assert sent.startswith(comment)
        return [json.loads(event.data) for event in OpenAIDecoder().iter_bytes(iter([sent]))]

    chunk = {
        "id": "chatcmpl-waiting",
        "object": "chat.completion.chunk",
        "created": 0,
        "model": "m",
        "choices": [{"index": 0, "delta": {}, "finish_reason": None}],
    }
    for model in (None, "m"):
        assert events("/v1/messages", model) == [{"type": "ping"}]
        for path in ("/v1/responses", "/v1/completions", "/generate"):
            assert events(path, model) == []
    assert events("/v1/chat/completions", None) == []
    assert events("/v1/chat/completions", "m") == [chunk]


@pytest.mark.parametrize("shape", list(ApiShape))
def test_a_late_error_is_one_event_with_an_error_member(shape: ApiShape) -> None:
    event = late_error(shape, status=400, body=b'{"type":"error","error":{"message":"a\\nb"}}')
    name, data = event.removesuffix(b"\n\n").rsplit(b"data: ", 1)
    assert b"\n" not in data
    assert name == (b"event: error\n" if shape in {ApiShape.ANTHROPIC, ApiShape.RESPONSES} else b"")
    assert json.loads(data) == {"type": "error", "error": {"message": "a\nb"}}


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b'{"object":"error","message":"m","code":40001}', {"object": "error", "message": "m", "code": 40001}),
        (b'{"detail":"Not Found"}', {"detail": "Not Found", "code": 404}),
        (b"plain \xff", {"message": "plain \ufffd", "code": 404}),
        (b"[1]", {"message": "[1]", "code": 404}),
        (b"[" * 100_000, {"message": "[" * 100_000, "code": 404}),
        (b"", {"message": "the inference engine answered 404", "code": 404}),
    ],
)
def test_an_error_without_an_error_member_gets_one(body: bytes, error: dict[str, object]) -> None:
    event = late_error(ApiShape.OPENAI, status=404, body=body)
    assert json.loads(event.removeprefix(b"data: ")) == {"error": error}
