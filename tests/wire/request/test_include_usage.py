import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concur_proxy.wire.request.body import JsonBody
from concur_proxy.wire.request.body_reader import JsonBodyReader
from concur_proxy.wire.request.flags import flag
from concur_proxy.wire.request.include_usage import inject_include_usage

READER = JsonBodyReader()
ASK = b'"stream_options":{"include_usage":true},'


def inject(body: bytes) -> bytes | None:
    head = READER.read(body)
    assert isinstance(head, JsonBody), head
    pieces = inject_include_usage(body, head)
    return None if pieces is None else b"".join(pieces)


def asked(body: bytes) -> object:
    """The body as the engine reads it."""
    value = json.loads(body)
    value["stream_options"] = {**(value.get("stream_options") or {}), "include_usage": True}
    return value


@pytest.mark.parametrize(
    "body",
    [
        b'{"stream":true}',
        b' \r\n\t{\n "stream" : true\n}\n',
        b'{"model":"m","messages":[{"role":"user","content":"{\\"stream_options\\":null}"}],"stream":true}',
        b'{"metadata":{"stream_options":{"include_usage":false}},"stream":true}',
        b'{"stream":true,"x":NaN,"y":-Infinity}',
        b'{"stream":true,"x":"\\ud800 \\u0000"}',
        '{"stream":true,"x":"é\u2028\U0001f600"}'.encode(),
        b'{"stream":false,"stream":true}',
        b'{"stream":"true"}',
        b'{"stream":1}',
    ],
)
def test_the_question_is_put_first_and_every_other_byte_stays(body: bytes) -> None:
    changed = inject(body)
    assert changed is not None
    assert changed.replace(ASK, b"", 1) == body
    assert repr(json.loads(changed)["stream_options"]) == repr({"include_usage": True})
    assert repr({**json.loads(changed), "stream_options": 0}) == repr({"stream_options": 0, **json.loads(body)})


@pytest.mark.parametrize(
    ("body", "changed"),
    [
        (
            b'{ "stream_options" : null , "stream":true}',
            b'{ "stream_options" : {"include_usage":true} , "stream":true}',
        ),
        (b'{"stream":true,"stream_options":{}}', b'{"stream":true,"stream_options":{"include_usage":true}}'),
        (
            b'{"stream":true,"stream_options":\n{ "include_usage" : false } }',
            b'{"stream":true,"stream_options":\n{"include_usage":true} }',
        ),
        (
            b'{"stream_options":{"include_obfuscation":false},"stream":true}',
            b'{"stream_options":{"include_obfuscation":false,"include_usage":true},"stream":true}',
        ),
        (
            b'{"stream_options":{"continuous_usage_stats":false},"stream":true}',
            b'{"stream_options":{"continuous_usage_stats":false,"include_usage":true},"stream":true}',
        ),
    ],
)
def test_options_that_are_there_get_one_more(body: bytes, changed: bytes) -> None:
    assert inject(body) == changed
    assert json.loads(changed) == asked(body)


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b'{"stream":false}',
        b'{"stream":"false"}',
        b'{"stream":"maybe"}',
        b'{"stream":null}',
        b'{"stream":true,"stream":false}',
        b'{"stream":true,"stream_options":{"include_usage":true}}',
        b'{"stream":true,"stream_options":{"include_usage":true,"continuous_usage_stats":true}}',
        b'{"stream":true,"stream_options":{"continuous_usage_stats":true}}',
        b'{"stream":true,"stream_options":"all"}',
        b'{"stream":true,"stream_options":[]}',
        b'{"stream":true,"stream_options":7}',
    ],
)
def test_who_needs_no_question_or_cannot_be_asked_keeps_the_body(body: bytes) -> None:
    assert inject(body) is None


@pytest.mark.parametrize(
    "body",
    [
        # the key is written with escapes, so it cannot be found
        b'{"stream":true,"stream\\u005foptions":{}}',
        # the key is found elsewhere: in another field, or the first of two
        b'{"stream":true,"metadata":{"stream_options":{}},"stream\\u005foptions":{}}',
        b'{"stream":true,"metadata":{"stream_options":null},"stream_options":null}',
        b'{"stream":true,"stream_options":null,"stream\\u005foptions":null}',
        b'{"stream":true,"stream_options":null,"stream_options":null}',
        b'{"stream":true,"stream_options":{"a":1},"stream\\u005foptions":{"a":1}}',
        b'{"x":"stream_options","stream":true,"stream\\u005foptions":null}',
        # values that would change
        b'{"stream":true,"stream_options":{"x":NaN}}',
        b'{"stream":true,"stream_options":{"x":1e999}}',
        b'{"stream":true,"stream_options":{"x":"\\ud800"}}',
        '{"stream":true,"stream_options":{"x":"é"}}'.encode(),
        b'{"stream":true,"stream_options":{"x":"' + b"y" * 2000 + b'"}}',
        # not UTF-8, so bytes cannot be inserted
        '{"stream":true}'.encode("utf-16"),
        b'\xef\xbb\xbf{"stream":true}',
    ],
)
def test_where_the_place_is_not_certain_the_body_stays(body: bytes) -> None:
    assert inject(body) is None


BLANK = st.sampled_from(["", "", " ", "\n", "\t \r\n"])
STRING = st.sampled_from(
    [
        '"x"',
        '"\\u0073tream_options"',
        '"stream_options"',
        '"{\\"stream_options\\":null}"',
        '"\\\\"',
        '"é\\n"',
        '"{"',
        '"}"',
    ]
)
KEY = st.sampled_from(
    [
        '"stream"',
        '"stream"',
        '"stream_options"',
        '"stream_options"',
        '"stream\\u005foptions"',
        '"include_usage"',
        '"continuous_usage_stats"',
        '"messages"',
        '"\\u0073tream"',
        '"{"',
    ]
)
SCALAR = st.sampled_from(["null", "true", "true", "false", "0", "-1.5e3", "1.0"]) | STRING


def array(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(BLANK, st.lists(inner, max_size=2)).map(lambda it: f"[{it[0]}{','.join(it[1])}]")


def an_object(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    member = st.tuples(BLANK, KEY, BLANK, BLANK, inner, BLANK).map(
        lambda it: f"{it[0]}{it[1]}{it[2]}:{it[3]}{it[4]}{it[5]}"
    )
    return st.lists(member, max_size=4).map(lambda members: "{" + ",".join(members) + "}")


VALUE = st.recursive(SCALAR, lambda inner: array(inner) | an_object(inner), max_leaves=8)
STREAM = st.sampled_from(['"stream":true', ' "stream" :\ttrue ', '"stream":false'])
BODY = st.tuples(BLANK, an_object(VALUE), STREAM, st.booleans()).map(
    lambda it: it[0] + _with(it[1], it[2], first=it[3])
)


def _with(text: str, member: str, *, first: bool) -> str:
    inside = text[1:-1]
    if not inside:
        return "{" + member + "}"
    return "{" + (f"{member},{inside}" if first else f"{inside},{member}") + "}"


@given(BODY)
def test_the_result_is_the_same_body_with_the_one_key(text: str) -> None:
    body = text.encode()
    changed = inject(body)
    if changed is None:
        return
    value: dict[str, Any] = json.loads(body)
    assert json.loads(changed) == asked(body)
    assert flag(value["stream"]) is True
    assert not (value.get("stream_options") or {}).get("include_usage")
    if "stream_options" not in value:
        assert changed.replace(ASK, b"", 1) == body
        return
    # between the common beginning and the common end there are only the options
    shared = next((i for i, (a, b) in enumerate(zip(body, changed, strict=False)) if a != b), len(body))
    rest = len(body) - shared
    while rest and not changed.endswith(body[len(body) - rest :]):
        rest -= 1
    start = body.index(b'"stream_options"')
    assert shared > start
    value_text = body[start:].partition(b":")[2].lstrip()
    _, length = json.JSONDecoder().raw_decode(value_text.decode())
    assert len(body) - rest <= len(body) - len(value_text) + len(value_text.decode()[:length].encode())


@given(BODY)
def test_a_plain_streaming_body_is_always_asked(text: str) -> None:
    value = json.loads(text)
    if value["stream"] is True and "stream_options" not in value:
        assert inject(text.encode()) is not None


def test_after_many_blanks_the_options_stay_as_they_are() -> None:
    """A loop over megabytes of them would stop everything else."""
    for blanks, is_changed in ((60, True), (100, False)):
        body = b'{"stream": true, "stream_options"%b:%bnull}' % (b" " * blanks, b"\n" * blanks)
        assert (inject(body) is not None) is is_changed
