import anthropic
import httpx2
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from concur_proxy.recognition.session_key import DEFAULT_SESSION_HEADERS
from concur_proxy.wire.request.facts import RequestFacts, RequestFactsReader

READER = RequestFactsReader()


def facts(*headers: tuple[str, str], reader: RequestFactsReader = READER) -> RequestFacts:
    return reader.read([(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers])


def test_nothing_told() -> None:
    assert facts() == RequestFacts()
    assert facts(("host", "h"), ("accept", "*/*")) == RequestFacts()


def test_the_first_configured_header_wins_whatever_the_order_on_the_wire() -> None:
    names = list(DEFAULT_SESSION_HEADERS)
    for position in range(len(names)):
        present = [(name, f"key of {name}") for name in names[position:]]
        assert facts(*present).session_key == f"key of {names[position]}"
        assert facts(*reversed(present)).session_key == f"key of {names[position]}"


def test_an_empty_header_hides_no_other() -> None:
    assert facts(("x-session-id", ""), ("session_id", "s")).session_key == "s"
    assert facts(("x-session-id", "  "), ("session_id", "s")).session_key == "s"
    assert facts(("x-session-id", ""), ("x-session-id", "s")).session_key == "s"
    assert facts(("x-session-id", "s"), ("x-session-id", "t")).session_key == "s"


def test_session_headers_are_configurable() -> None:
    reader = RequestFactsReader(["X-Run", "X-Session-Id"], ["X-Bye"])
    assert facts(("x-session-id", "s"), ("x-run", "r"), reader=reader).session_key == "r"
    assert facts(("session-id", "s"), reader=reader).session_key is None
    assert facts(("x-bye", "true"), reader=reader).ends_session
    assert not facts(("x-session-end", "true"), reader=reader).ends_session


@pytest.mark.parametrize("name", ["x-session-end", "x-dynamo-session-final"])
def test_the_end_of_a_session(name: str) -> None:
    for value in ("true", "True", " 1 ", "yes"):
        assert facts((name, value)).ends_session
    for value in ("false", "0", "", "no", "maybe"):
        assert not facts((name, value)).ends_session
    assert facts(("x-session-end", "false"), ("x-dynamo-session-final", "true")).ends_session


def test_whether_the_body_can_be_read() -> None:
    assert facts().is_json
    assert facts(("content-type", "Application/JSON; charset=utf-8")).is_json
    assert facts(("content-type", "application/vnd.x+json")).is_json
    assert not facts(("content-type", "multipart/form-data; boundary=x")).is_json
    assert not facts(("content-type", "application/json"), ("content-encoding", "gzip")).is_json
    assert facts(("content-type", "application/json"), ("content-encoding", "identity")).is_json
    assert facts(("content-encoding", "gzip")).content_encoding == b"gzip"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("600", 600.0), ("0.5", 0.5), ("None", None), ("NOT_GIVEN", None), ("inf", None), ("nan", None), ("-1", None)],
)
def test_the_clients_patience(value: str, seconds: float | None) -> None:
    assert facts(("x-stainless-timeout", value)).client_timeout_s == seconds
    assert facts(("x-stainless-timeout", "1"), ("x-stainless-read-timeout", value)).client_timeout_s == seconds


def test_the_real_sdks_tell_their_time_out() -> None:
    seen: list[RequestFacts] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(READER.read([(name.lower(), value) for name, value in request.headers.raw]))
        return httpx2.Response(400, json={"error": {"message": "no"}})

    with httpx2.Client(transport=httpx2.MockTransport(answer)) as http:
        chat = openai.OpenAI(api_key="k", base_url="http://engine/v1", http_client=http, timeout=77)
        with pytest.raises(openai.BadRequestError):
            chat.chat.completions.create(model="m", messages=[], extra_headers={"X-Session-Id": "s"})
        messages = anthropic.Anthropic(api_key="k", base_url="http://engine", http_client=http)
        with pytest.raises(anthropic.BadRequestError):
            messages.messages.create(model="m", messages=[], max_tokens=1)
    assert seen[0].client_timeout_s == 77
    assert seen[0].session_key == "s"
    assert seen[0].is_json
    assert seen[1].client_timeout_s == 600


NAMES = st.sampled_from([name.encode() for name in DEFAULT_SESSION_HEADERS]) | st.sampled_from(
    [b"content-encoding", b"content-type", b"x-session-end", b"x-stainless-timeout", b"x"]
)


@given(st.lists(st.tuples(NAMES, st.binary(max_size=12)), max_size=12))
def test_no_headers_make_it_raise(headers: list[tuple[bytes, bytes]]) -> None:
    READER.read(headers)
