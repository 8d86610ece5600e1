import pytest

from concur_proxy.relay.response_id_tap import SEARCHED_BYTES, ResponseIdTap
from concur_proxy.relay.tap import choose_tap
from concur_proxy.wire.api_shape import ApiShape

WHOLE = b'{"id": "resp_1","object":"response","usage":{"input_tokens":3,"output_tokens":4}}'
EVENT = b'event: response.created\ndata: {"type":"response.created","response":{"id":"resp_1","usage":null}}\n\n'


def tap(content_type: bytes) -> tuple[ResponseIdTap, list[str]]:
    learnt: list[str] = []
    return ResponseIdTap(choose_tap(ApiShape.RESPONSES, [(b"content-type", content_type)]), learnt.append), learnt


@pytest.mark.parametrize(("content_type", "body"), [(b"application/json", WHOLE), (b"text/event-stream", EVENT)])
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_the_id_is_told_once_however_the_answer_is_cut_and_no_byte_changes(
    content_type: bytes, body: bytes, size: int
) -> None:
    subject, learnt = tap(content_type)
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    assert b"".join(map(subject.feed, pieces)) + subject.finish() == body
    assert learnt == ["resp_1"]


def test_the_inner_tap_s_usage_is_read() -> None:
    subject, _ = tap(b"application/json")
    subject.feed(WHOLE)
    subject.finish()
    assert subject.usage is not None
    assert (subject.usage.prompt_tokens, subject.usage.completion_tokens) == (3, 4)


def test_only_the_beginning_is_searched() -> None:
    subject, learnt = tap(b"application/json")
    subject.feed(b" " * SEARCHED_BYTES)
    subject.feed(WHOLE)
    assert learnt == []
