"""The simple fields at both ends of a large body."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concur_proxy.wire.request import ends
from concur_proxy.wire.request.body import UNREAD_BODY, JsonBody
from concur_proxy.wire.request.body_reader import JsonBodyReader
from concur_proxy.wire.request.condense import LARGE_BYTES
from concur_proxy.wire.request.ends import END_BYTES, simple_ends

MESSAGES = b'"messages":[%b{}]' % (b"{}," * (LARGE_BYTES // 3))
LONG = '"x' * END_BYTES


def found(body: bytes) -> Any:  # noqa: ANN401
    return json.loads(simple_ends(body))


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"m","stream":true,%b}',
        b'{%b,"model":"m","stream":true}',
        b' { "model" : "m" , %b , "stream" : true } \n',
        b'{"temperature":0.5,"model":"m","stop":null,"stream":true,%b,"seed":-1e5}',
    ],
)
def test_a_body_that_is_too_large_to_be_read_still_says_its_model(body: bytes) -> None:
    read = JsonBodyReader().read(body % MESSAGES)
    assert isinstance(read, JsonBody)
    assert (read.model, read.is_stream, read.prompt, read.is_utf8) == ("m", True, None, False)


@pytest.mark.parametrize(
    "body",
    [
        b'{%b,"metadata":{"model":"m"}}' % MESSAGES,
        b'{%b,"metadata":{"a":1,"model":"m"}}' % MESSAGES,
        b'{"metadata":{"model":"m"},%b}' % MESSAGES,
        b'{"messages":[%b{"content":",\\"model\\":\\"m\\"}"}]}' % (b"{}," * (LARGE_BYTES // 3)),
        b'[%b{"a":1,"model":"m"}]' % (b"{}," * (LARGE_BYTES // 3)),
        b"[" * (LARGE_BYTES + 1),
        b"\0" * (LARGE_BYTES + 1),
        (b'{"model":"m",%b}' % MESSAGES).decode().encode("utf-16"),
        b'{"model":"\xff",%b}' % MESSAGES,
        b'{"model":x,%b}' % MESSAGES,
    ],
)
def test_what_is_no_simple_field_at_an_end_is_not_read(body: bytes) -> None:
    assert JsonBodyReader().read(body) == UNREAD_BODY


simple = st.one_of(st.none(), st.booleans(), st.integers(-9, 9), st.floats(allow_nan=False), st.text(max_size=6))
texts = st.one_of(st.text(max_size=6), st.text(alphabet=',:{}[]" \\x', max_size=6))
objects = st.dictionaries(texts, st.one_of(simple, texts, st.lists(texts, max_size=3), st.dictionaries(texts, texts)))


@given(before=objects, after=objects, indent=st.sampled_from([None, 1]))
def test_every_field_found_is_one_of_the_body(
    before: dict[str, Any], after: dict[str, Any], indent: int | None
) -> None:
    body = {**before, "messages": [LONG], **after}
    for name, value in found(json.dumps(body, indent=indent).encode()).items():
        assert body[name] == value


def test_a_body_of_simple_fields_is_found_once() -> None:
    assert simple_ends(b'{"a":1,"b":"x"}') == b'{"a":1,"b":"x"}'
    assert simple_ends(b"{}") == b"{}"


def test_no_pair_at_the_end_is_read_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[int] = []

    class Counting:
        def match(self, text: bytes, at: int) -> object:
            found.append(at)
            return pattern.match(text, at)

    pattern = ends._PAIR
    monkeypatch.setattr(ends, "_PAIR", Counting())
    assert json.loads(simple_ends(b"[" * END_BYTES + b',"":1' * (END_BYTES // 5) + b",1}")) == {}
    assert len(found) == len(set(found))
