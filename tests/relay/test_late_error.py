import json

import pytest

from concur_proxy.relay.late_error import late_error
from concur_proxy.wire.api_shape import ApiShape


@pytest.mark.parametrize("shape", list(ApiShape))
def test_it_is_one_event_with_an_error_member_named_where_the_api_names_events(shape: ApiShape) -> None:
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
def test_what_has_no_error_member_becomes_one(body: bytes, error: dict[str, object]) -> None:
    event = late_error(ApiShape.OPENAI, status=404, body=body)
    assert json.loads(event.removeprefix(b"data: ")) == {"error": error}
