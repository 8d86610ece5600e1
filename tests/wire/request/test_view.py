import json

import anthropic
import httpx2
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from concur_proxy.steps import finish
from concur_proxy.wire.answer.fault import GatewayFault
from concur_proxy.wire.request.body import EMPTY_BODY
from concur_proxy.wire.request.view import REQUEST_ID, RequestReader, RequestView

READER = RequestReader(body_fields=["program_id"])


def view(
    *headers: tuple[str, str], body: bytes = b"", path: str = "/v1/chat/completions", reader: RequestReader = READER
) -> RequestView:
    fields = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    made = reader.view("POST", path.encode(), path, fields)
    made.body = body
    return made


def test_a_request_without_headers() -> None:
    bare = view()
    assert (bare.ends_session, bare.client_timeout_s, bare.request_id, bare.has_body) == (False, None, None, False)
    assert bare.header(b"x") is None
    assert bare.head_bytes == 0


def test_the_first_value_that_is_not_empty_counts() -> None:
    assert view(("x", "a"), ("x", "b")).header(b"x") == b"a"
    assert view(("x", ""), ("y", "c"), ("x", "b")).header(b"x") == b"b"
    assert view(("x", "")).header(b"x") is None


def test_the_size_of_the_head() -> None:
    assert view(("host", "h"), ("accept", "*/*")).head_bytes == 14


@pytest.mark.parametrize("name", ["x-session-end", "x-dynamo-session-final"])
def test_the_end_of_a_session(name: str) -> None:
    for value in ("true", "True", " 1 ", "yes"):
        assert view((name, value)).ends_session
    for value in ("false", "0", "", "no", "maybe"):
        assert not view((name, value)).ends_session
    assert view(("x-session-end", "false"), ("x-dynamo-session-final", "true")).ends_session
    assert view(("x-session-end", "false"), ("x-session-end", "true")).ends_session


def test_the_headers_that_end_a_session_are_configurable() -> None:
    reader = RequestReader(["X-Bye"])
    assert view(("x-bye", "true"), reader=reader).ends_session
    assert not view(("x-session-end", "true"), reader=reader).ends_session


def test_whether_the_body_can_be_read_as_json() -> None:
    assert view().is_json
    assert view(("content-type", "Application/JSON; charset=utf-8")).is_json
    assert view(("content-type", "application/vnd.x+json")).is_json
    assert not view(("content-type", "multipart/form-data; boundary=x")).is_json
    assert not view(("content-type", "application/json"), ("content-encoding", "gzip")).is_json
    assert view(("content-type", "application/json"), ("content-encoding", "identity")).is_json
    assert not view(("content-encoding", "gzip")).is_json


def test_a_body_is_read_once() -> None:
    request = view(body=b'{"model": "m", "program_id": 7}')
    assert (request.json.model, request.json.fields, request.fault) == ("m", {"program_id": 7}, None)
    assert request.json is request.json


def test_a_body_that_is_not_json_is_left_to_the_engine() -> None:
    request = view(("content-encoding", "gzip"), body=b"\x1f\x8b")
    assert (request.json, request.fault) == (EMPTY_BODY, None)


def test_a_body_that_no_engine_can_read_is_a_fault() -> None:
    request = view(body=b"{")
    assert request.json is EMPTY_BODY
    assert request.fault is not None
    assert request.fault.fault is GatewayFault.BAD_JSON


def test_an_empty_body_is_a_body() -> None:
    assert view(body=b"x").has_body
    assert view(("content-length", "0")).has_body
    assert view(("transfer-encoding", "chunked")).has_body


FORM = b'--x\r\ncontent-disposition: form-data; name="model"\r\n\r\nwhisper\r\n--x--\r\n'


@pytest.mark.parametrize(
    ("path", "content_type", "body", "model"),
    [
        ("/v1/models/org/name", "", b"", "org/name"),
        ("/v1/embeddings", "application/json", b'{"model": "m"}', "m"),
        ("/v1/embeddings", "application/json", b"{", None),
        ("/v1/audio/transcriptions", "Multipart/Form-Data; boundary=x", FORM, "whisper"),
    ],
)
def test_the_model_of_a_request_outside_admission(path: str, content_type: str, body: bytes, model: str | None) -> None:
    assert finish(view(("content-type", content_type), path=path, body=body).passing_model()) == model


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("600", 600.0), ("0.5", 0.5), ("None", None), ("NOT_GIVEN", None), ("inf", None), ("nan", None), ("-1", None)],
)
def test_the_clients_timeout(value: str, seconds: float | None) -> None:
    assert view(("x-stainless-timeout", value)).client_timeout_s == seconds
    assert view(("x-stainless-timeout", "1"), ("x-stainless-read-timeout", value)).client_timeout_s == seconds


def test_the_real_sdks_send_their_timeout() -> None:
    seen: list[RequestView] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(READER.view("POST", b"/", "/", [(name.lower(), value) for name, value in request.headers.raw]))
        return httpx2.Response(400, json={"error": {"message": "no"}})

    with httpx2.Client(transport=httpx2.MockTransport(answer)) as http:
        chat = openai.OpenAI(api_key="k", base_url="http://engine/v1", http_client=http, timeout=77)
        with pytest.raises(openai.BadRequestError):
            chat.chat.completions.create(model="m", messages=[])
        messages = anthropic.Anthropic(api_key="k", base_url="http://engine", http_client=http)
        with pytest.raises(anthropic.BadRequestError):
            messages.messages.create(model="m", messages=[], max_tokens=1)
    assert [request.client_timeout_s for request in seen] == [77, 600]
    assert all(request.is_json for request in seen)


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([], None),
        (["a-1"], b"a-1"),
        (["first", "second"], b"first"),
        (["x" * 128], b"x" * 128),
        (["x" * 129], None),
        ([""], None),
        (["a b"], None),
        (["caf\xe9"], None),
    ],
)
def test_the_clients_request_id_where_it_is_usable(values: list[str], found: bytes | None) -> None:
    assert view(("accept", "*/*"), *(("x-request-id", value) for value in values)).request_id == found


def test_a_request_gets_an_id_unless_it_has_one() -> None:
    without, unusable = view(("a", "b")), view(("x-request-id", "a b"))
    for request in (without, unusable):
        request.give_id(b"new")
    assert without.headers == [(b"a", b"b"), (REQUEST_ID, b"new")]
    assert unusable.headers == [(REQUEST_ID, b"a b")]


NAMES = st.sampled_from([b"content-encoding", b"content-type", b"x-session-end", b"x-stainless-timeout", b"x"])


@given(st.lists(st.tuples(NAMES, st.binary(max_size=12)), max_size=12), st.binary(max_size=20))
def test_nothing_makes_it_raise(headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    request = READER.view("POST", b"/", "/", headers)
    request.body = body
    assert (request.ends_session, request.client_timeout_s, request.json) is not None
    finish(request.passing_model())
    assert json.dumps(request.json.fields) is not None
