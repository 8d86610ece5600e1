import json
from collections.abc import Mapping

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from concur_proxy.wire.answer.fault import GatewayFault
from concur_proxy.wire.request.body import MAX_MESSAGES, BodyFault, JsonBody
from concur_proxy.wire.request.body_reader import (
    MAX_EXACT_BYTES,
    MAX_FIELD_BYTES,
    QUICK_BYTES,
    STEP_BYTES,
    JsonBodyReader,
)
from concur_proxy.wire.request.condense import LARGE_BYTES
from concur_proxy.wire.request.include_usage import inject_include_usage

READER = JsonBodyReader(["program_id", "metadata", "prompt_cache_key"])


def read(body: bytes | Mapping[str, object], reader: JsonBodyReader = READER) -> JsonBody:
    answer = reader.read(body if isinstance(body, bytes) else json.dumps(body).encode())
    assert isinstance(answer, JsonBody), answer
    return answer


def fault(body: bytes) -> BodyFault:
    answer = READER.read(body)
    assert isinstance(answer, BodyFault), answer
    return answer


def test_a_chat_request() -> None:
    answer = read(
        {
            "model": "Qwen/Qwen3-8B",
            "messages": [{"role": "user", "content": "x" * 1000}],
            "stream": True,
            "stream_options": {"include_usage": True},
            "metadata": {"session_id": "s"},
            "program_id": 7,
        }
    )
    assert answer.is_stream
    assert answer.asks_usage
    assert answer.fields == {"metadata": {"session_id": "s"}, "program_id": 7}
    assert answer.is_utf8


def test_what_is_absent() -> None:
    answer = read(b" {} ")
    assert answer == JsonBody()
    assert answer.stream_options is msgspec.UNSET
    assert not answer.is_stream


def test_a_responses_request() -> None:
    assert read({"model": "m", "previous_response_id": "resp_1"}).previous_response_id == "resp_1"
    assert read({"model": "m", "previous_response_id": 7}).previous_response_id is None
    created = read({"model": "m", "thread": {"type": "create"}})
    assert (created.is_in_thread, created.previous_response_id, created.needs_state) == (True, None, False)
    continued = read({"model": "m", "thread": {"type": "continue", "previous_message_id": "msg_1"}})
    assert (continued.is_in_thread, continued.previous_response_id, continued.needs_state) == (True, "msg_1", True)
    assert read({"model": "m", "thread": "t"}) == JsonBody(model="m")


TRUE_VALUES = [True, 1, 1.0, "true", "True", "yes", "Y", "on", "t", "1"]
FALSE_VALUES = [False, 0, 0.0, "false", "NO", "n", "off", "f", "0"]


@pytest.mark.parametrize("value", [*TRUE_VALUES, *FALSE_VALUES, "maybe", "", " true", 2, -1, 0.5, None, [], [1], {}])
def test_a_flag_is_read_as_pydantic_reads_it_in_the_engines(value: object) -> None:
    try:
        seen: bool | None = TypeAdapter(bool).validate_python(value)
    except ValidationError:
        seen = None
    assert seen is (True if value in TRUE_VALUES else False if value in FALSE_VALUES else None)
    answer = read({"stream": value, "background": value, "store": value})
    assert (answer.is_stream, answer.is_background, answer.stores) == (seen is True, seen is True, seen)


@pytest.mark.parametrize("value", FALSE_VALUES)
def test_usage_that_is_not_wanted(value: object) -> None:
    assert not read({"stream_options": {"include_usage": value}}).asks_usage


@pytest.mark.parametrize("value", [*TRUE_VALUES, "maybe", 2, [1]])
def test_usage_that_is_wanted_or_that_the_engine_will_refuse(value: object) -> None:
    assert read({"stream_options": {"include_usage": value}}).asks_usage


@pytest.mark.parametrize("value", [None, "x", 1, [], {"include_usage": False}, {"include_usage": None}])
def test_usage_not_asked_for(value: object) -> None:
    answer = read({"stream": True, "stream_options": value})
    assert not answer.asks_usage
    assert answer.stream_options == value


def test_only_configured_fields_are_kept() -> None:
    body = {"program_id": "p", "metadata": {"session_id": "s"}, "prompt_cache_key": "k", "other": {"a": 1}}
    assert read(body, JsonBodyReader()).fields == {}
    assert read(body, JsonBodyReader(["other", "other"])).fields == {"other": {"a": 1}}
    assert read({"model": "m"}, JsonBodyReader(["model"])).fields == {"model": "m"}
    assert read(b'{"stream_options": NaN}', JsonBodyReader(["stream_options"])).fields
    assert read(b"{}", JsonBodyReader(["stream_options"])).fields == {}


def test_the_last_of_equal_keys_counts_as_in_the_engines() -> None:
    assert read(b'{"stream": false, "stream": true, "program_id": 1, "program_id": 2}').fields["program_id"] == 2
    assert not read(b'{"stream": true, "stream": false}').is_stream


@pytest.mark.parametrize(
    "body",
    [
        b'{"model": "m", "temperature": NaN, "program_id": "p"}',
        b'{"model": "m", "temperature": -Infinity, "program_id": "p"}',
        b'{"model": "m", "program_id": "p", "x": 1e999}',
        '{"model": "m", "program_id": "p"}'.encode("utf-16"),
        b'\xef\xbb\xbf{"model": "m", "program_id": "p"}',
        b'{"model": "m", "program_id": "p", "x": "\\ud800"}',
        b'{"model": "m", "program_id": "p", "x": "\xed\xa0\x80"}',
    ],
)
def test_what_pythons_json_takes_is_read(body: bytes) -> None:
    json.loads(body)
    answer = read(body)
    assert answer.fields == {"program_id": "p"}


def test_bytes_can_be_put_into_plain_utf8_only() -> None:
    assert read(b'{"x": NaN}').is_utf8
    assert read('{"x": "é"}'.encode()).is_utf8
    assert not read('{"x": 1}'.encode("utf-16")).is_utf8
    assert not read('{"x": 1}'.encode("utf-16-le")).is_utf8
    assert not read(b'\xef\xbb\xbf{"x": 1}').is_utf8


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b"", "line 1, column 1"),
        (b"hello", "line 1, column 1"),
        (b'{"model": "m"', "line 1, column 14"),
        (b'{"model":\n  m}', "line 2, column 3"),
        (b'{"a": 1} trailing', "line 1, column 10"),
        (b'{"model": "\xff\xfe"} x', "not UTF-8"),
        (b'{"messages": [{"content": "\xff\xfe"}]}', "not UTF-8"),
        (b'{"program_id": "\xe2\x82"}', "not UTF-8"),
        (b'{"a":' * 100_000, "recursion"),
        (b'{"a": ' + b"9" * 5000 + b"} x", ""),
    ],
)
def test_what_is_no_json_is_told_where(body: bytes, detail: str) -> None:
    answer = fault(body)
    assert answer.fault is GatewayFault.BAD_JSON
    assert detail in answer.detail


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"[1]", "an array"),
        (b"[" * 100_000, "an array"),
        (b'"x"', "a string"),
        (b"null", "null"),
        (b"true", "a boolean"),
        (b"1.5", "a number"),
    ],
)
def test_what_is_no_object_is_named(body: bytes, kind: str) -> None:
    answer = fault(body)
    assert answer.fault is GatewayFault.BODY_NOT_OBJECT
    assert kind in answer.detail


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from(["model", "stream", "stream_options", "metadata", "program_id", "previous_response_id"])


@given(st.dictionaries(KEYS | st.text(max_size=5), JSON, max_size=8), st.booleans())
def test_any_object_is_read(value: dict[str, object], ascii_only: bool) -> None:  # noqa: FBT001
    answer = read(json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass"))
    assert answer.is_stream == (value.get("stream") is True)
    previous = value.get("previous_response_id")
    assert answer.previous_response_id == (previous if isinstance(previous, str) else None)


@pytest.mark.parametrize("text", ['"\\ud800"', '"a\\udfffb"', '"\\ude00\\ud83d"'])
@pytest.mark.parametrize("more", ["1", "NaN"], ids=["strict", "lenient"])
def test_half_of_a_surrogate_pair_names_nothing(text: str, more: str) -> None:
    answer = read(b'{"model": %b, "previous_response_id": %b, "x": %b}' % (text.encode(), text.encode(), more.encode()))
    assert (answer.model, answer.previous_response_id) == (None, None)


def test_what_is_too_long_names_nothing() -> None:
    assert read({"model": "x" * 4096}).model == "x" * 4096
    assert read({"model": "x" * 4097, "previous_response_id": "x" * 4097}) == JsonBody(needs_state=True, continues=True)


def test_a_whole_surrogate_pair_is_a_character() -> None:
    assert read(b'{"model": "\\ud83d\\ude00"}').model == "\N{GRINNING FACE}"


@given(st.binary(max_size=60) | st.text(max_size=30).map(str.encode))
def test_no_bytes_make_it_raise(body: bytes) -> None:
    READER.read(body)


def test_the_parts_of_a_prompt_are_slices_of_the_body() -> None:
    prompt = read(b'{"messages" : [ {"role": "user"} ], "tools": null, "input_ids":{"a": [1]} }').prompt
    assert prompt is not None
    assert isinstance(prompt.messages, list)
    assert [bytes(message) for message in prompt.messages] == [b'{"role": "user"}']
    assert bytes(prompt.tools) == b"null"
    assert bytes(prompt.input_ids) == b'{"a": [1]}'
    assert not prompt.system


@pytest.mark.parametrize(
    "messages", [b'"x"', b'{"a": 1}', b"[" + b'"1",' * 4 * MAX_MESSAGES + b"1]"], ids=["text", "map", "long"]
)
def test_messages_that_are_no_list_or_too_many_are_one_slice(messages: bytes) -> None:
    prompt = read(b'{"messages": ' + messages + b', "tools": []}').prompt
    assert prompt is not None
    assert isinstance(prompt.messages, msgspec.Raw)
    assert bytes(prompt.messages) == messages
    assert bytes(prompt.tools) == b"[]"


def test_a_recogniser_may_read_the_messages() -> None:
    reader = JsonBodyReader(["messages"])
    assert read({"messages": [{"role": "user"}]}, reader).fields == {"messages": [{"role": "user"}]}
    assert read({"messages": "x"}, reader).fields == {"messages": "x"}
    assert read({}, reader).fields == {}


@pytest.mark.parametrize("body", [b'{"tools": [], "system": "s"}', b'{"input": "x", "temperature": NaN}'])
def test_a_body_without_a_prompt_that_can_be_read(body: bytes) -> None:
    assert read(body).prompt is None


def test_a_part_of_the_prompt_can_also_be_a_configured_field() -> None:
    answer = read({"input": {"a": 1}, "text": None}, JsonBodyReader(["input", "text", "prompt"]))
    assert answer.fields == {"input": {"a": 1}}
    assert answer.prompt is not None
    assert read(b'{"input": "\\ud800"}', JsonBodyReader(["input"])).fields == {"input": "\ud800"}


@pytest.mark.parametrize("session", [{}, {"id": ""}, {"session_id": "s"}, [], 7])
def test_what_continues_nothing(session: object) -> None:
    assert not read({"session_params": session, "thread": {"type": "create"}, "conversation": None}).continues
    assert not read({"thread": session}).continues


LARGE = b'"messages": ["%b"]' % (b"a" * MAX_EXACT_BYTES)


@pytest.mark.parametrize("more", [b'"temperature": NaN', b'"x": [-Infinity]', b'"user": "\\ud800"', b'"y": "\\uDC00"'])
def test_a_large_body_that_only_pythons_json_takes_is_still_read(more: bytes) -> None:
    answer = read(b'{"model": "m", "stream": true, %b, %b}' % (more, LARGE))
    assert (answer.model, answer.is_stream, answer.prompt) == ("m", True, None)


@pytest.mark.parametrize(
    "body",
    [
        b'{"model": "m", %b' % LARGE,
        (b'{"model": "m", %b}' % LARGE).decode().encode("utf-16"),
        b'{"model": "m", %b, "x": "\xff"}' % LARGE,
        b'{"model": NaN, "messages": [%b, x]}' % (b"{}," * 10_000),
    ],
)
def test_what_cannot_be_read_in_bounded_time_is_left_to_the_engine(body: bytes) -> None:
    answer = read(body)
    assert (answer.prompt, answer.is_utf8) == (None, False)


def test_a_field_that_would_be_slow_to_build_counts_as_absent() -> None:
    field = b"[%b1]" % (b"[{}]," * (MAX_FIELD_BYTES // 4))
    body = b'{"model": "m", "metadata": %b, "stream_options": %b, "stream": true}' % (field, field)
    answer = read(body, JsonBodyReader(["metadata"]))
    assert answer.fields == {}
    assert answer.is_stream
    assert inject_include_usage(body, answer) is None


def test_a_large_body_is_read_in_steps() -> None:
    body = '{"model": "m", "messages": ["%s"]}' % ("ä" * (4 * STEP_BYTES))
    assert sum(1 for _ in JsonBodyReader().steps(body.encode())) >= 2 * 8


@pytest.mark.parametrize("part", [b"[]", b"{}", b'""'])
def test_a_body_of_very_many_marks_is_not_decoded(part: bytes) -> None:
    body = b'{"model": "m", "metadata": [%b1], "stream": true}' % ((part + b",") * (QUICK_BYTES // len(part)))
    assert len(body) < LARGE_BYTES
    answer = read(body)
    assert (answer.model, answer.is_stream, answer.is_utf8) == ("m", True, False)


def test_only_so_many_messages_are_divided() -> None:
    messages = [{"role": "user", "content": "a, b"}] * MAX_MESSAGES
    found = read({"messages": messages}).prompt
    assert found is not None
    assert isinstance(found.messages, list)
    assert [json.loads(bytes(each)) for each in found.messages] == messages
    more = read({"messages": [*messages, messages[0]]}).prompt
    assert more is not None
    assert isinstance(more.messages, msgspec.Raw)
