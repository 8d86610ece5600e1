"""Large bodies are read without their long data."""

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from concur_proxy.wire.request import condense as module
from concur_proxy.wire.request.body import UNREAD_BODY, JsonBody
from concur_proxy.wire.request.body_reader import JsonBodyReader
from concur_proxy.wire.request.condense import LARGE_BYTES, LONG_BYTES, condense, full_size

READER = JsonBodyReader(["program_id"])
IMAGE = "data:image/png;base64," + "iVBORw0KGgo" * (LONG_BYTES // 8)


def condensed(body: bytes) -> bytes | None:
    steps = condense(body)
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]


def large(images: int, **fields: object) -> bytes:
    parts = [{"type": "image_url", "image_url": {"url": f"{IMAGE}{number}"}} for number in range(images)]
    body = {"model": "m", "stream": True, "messages": [{"role": "user", "content": parts}], **fields}
    return json.dumps(body).encode()


def test_a_large_body_of_images_is_read_as_a_small_one() -> None:
    images = 2 * LARGE_BYTES // len(IMAGE)
    body = large(images, program_id="p")
    assert len(body) > LARGE_BYTES
    read = READER.read(body)
    assert isinstance(read, JsonBody)
    assert (read.model, read.is_stream, read.fields, read.is_utf8) == ("m", True, {"program_id": "p"}, True)
    assert read.prompt is not None
    (message,) = read.prompt.messages
    assert len(bytes(message)) < 300 * images
    assert full_size(bytes(message)) > LARGE_BYTES
    assert len(set(re.findall(rb"omitted=\d+,(\w+)", bytes(message)))) == images, "different data stays different"
    again = READER.read(large(images + 1))
    assert isinstance(again, JsonBody)
    assert again.prompt is not None
    (longer,) = again.prompt.messages
    assert bytes(longer).startswith(bytes(message)[:-2]), "equal data stays equal"


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"[" * (LARGE_BYTES + 1), id="brackets"),
        pytest.param(b'{"messages":[' + b"{}," * (LARGE_BYTES // 3) + b"{}]}", id="tiny messages"),
        pytest.param(b'{"a":[' + b'"",' * (LARGE_BYTES // 3) + b'""]}', id="tiny texts"),
        pytest.param(b'{"a":"' + b"a b " * (LARGE_BYTES // 4) + b'"}', id="one text"),
        pytest.param(b'{"a":"' + b"\\n" * (LARGE_BYTES // 2) + b'"}', id="escapes"),
        pytest.param(b'{"a":"' + b"a" * LARGE_BYTES, id="no end"),
        pytest.param(b'{"a":"' + b"a" * LARGE_BYTES + b"\\", id="a backslash at the end"),
    ],
)
def test_what_stays_large_is_left_to_the_engine(body: bytes) -> None:
    assert condensed(body) is None
    assert READER.read(body) == UNREAD_BODY


def test_of_a_large_body_that_is_no_json_after_all_only_the_ends_are_read() -> None:
    body = large(2 * LARGE_BYTES // len(IMAGE))
    for broken in (body[:-1], body.replace(b'"stream": true', b'"stream": \xff')):
        read = READER.read(broken)
        assert isinstance(read, JsonBody)
        assert (read.model, read.prompt, read.is_utf8) == ("m", None, False)


texts = st.one_of(
    st.text(max_size=5),
    st.sampled_from(["A" * 7, "A" * 8, "A" * 40, "A" * 8 + "\\", "A" * 8 + '"' + "A" * 9, "\\" * 9]),
)
values = st.recursive(
    texts | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(texts, inner), max_leaves=9
)


@given(values, st.integers(1, 9), st.booleans())
@settings(max_examples=200)
def test_everything_else_stays_as_it_is(value: object, step: int, ascii_only: bool) -> None:  # noqa: FBT001
    body = json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "replace")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_DATA", re.compile(rb"A{8}"))
        patch.setattr(module, "LONG_BYTES", 16)
        patch.setattr(module, "STEP_BYTES", step)
        short = condensed(body)
    assert short is not None
    assert _without_data(json.loads(short)) == _without_data(json.loads(body))


def _without_data(value: Any) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(value, str):
        return "A+" if re.fullmatch(r"A{16,}(;omitted=\d+,\w{32})?", value) else value
    if isinstance(value, list):
        return [_without_data(one) for one in value]
    if isinstance(value, dict):
        return {_without_data(key): _without_data(one) for key, one in value.items()}
    return value


def test_many_backslashes_take_many_steps() -> None:
    few, many = (b'{"a":"%b"}' % ((filling * 4000 + b'\\"') * 2000) for filling in (b"x", b"\\"))
    assert sum(1 for _ in condense(many)) >= sum(1 for _ in condense(few)) + 20
