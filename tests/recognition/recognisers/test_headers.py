from concur_proxy.recognition.clients import DEFAULT_SESSION_HEADERS
from concur_proxy.recognition.recogniser import RecogniserOptions
from concur_proxy.recognition.recognisers.headers import build
from tests.recognition.requests import key_of, request_for

HEADERS = build(RecogniserOptions())


def test_the_first_configured_header_wins_whatever_the_order_on_the_wire() -> None:
    names = list(DEFAULT_SESSION_HEADERS)
    for position in range(len(names)):
        present = [(name, f"key of {name}") for name in names[position:]]
        assert key_of(HEADERS, *present) == f"key of {names[position]}"
        assert key_of(HEADERS, *reversed(present)) == f"key of {names[position]}"


def test_an_empty_header_hides_no_other() -> None:
    assert key_of(HEADERS, ("x-session-id", ""), ("session_id", "s")) == "s"
    assert key_of(HEADERS, ("x-session-id", "  "), ("session_id", "s")) == "s"
    assert key_of(HEADERS, ("x-session-id", ""), ("x-session-id", "s")) == "s"
    assert key_of(HEADERS, ("x-session-id", "s"), ("x-session-id", "t")) == "s"


def test_the_headers_are_configurable() -> None:
    own = build(RecogniserOptions(session_headers=["X-Run", "X-Session-Id"]))
    assert key_of(own, ("x-session-id", "s"), ("x-run", "r")) == "r"
    assert key_of(own, ("session-id", "s")) is None


def test_it_reads_no_body() -> None:
    request = request_for(HEADERS, ("x-session-id", "s"))
    request.body = b"{"
    assert HEADERS.recognise(request) is not None
    assert request.fault is None
