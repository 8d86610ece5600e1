from hypothesis import given
from hypothesis import strategies as st

from concur_proxy.wire.headers import HOP_BY_HOP, request_headers, response_headers


def test_a_request_keeps_all_but_its_host_in_order() -> None:
    sent = [
        (b"host", b"gateway"),
        (b"authorization", b"Bearer k"),
        (b"x-request-id", b"1"),
        (b"traceparent", b"00-1"),
        (b"accept", b"a"),
        (b"accept", b"b"),
        (b"content-length", b"12"),
        (b"content-encoding", b"gzip"),
    ]
    assert request_headers(sent) == sent[1:]


def test_headers_of_one_hop_stay_on_it() -> None:
    hop = [(name, b"v") for name in sorted(HOP_BY_HOP)]
    assert request_headers([*hop, (b"expect", b"100-continue")]) == []
    assert response_headers([*hop, (b"set-cookie", b"a"), (b"set-cookie", b"b")]) == [
        (b"set-cookie", b"a"),
        (b"set-cookie", b"b"),
    ]


def test_headers_named_in_connection_stay_too() -> None:
    sent = [(b"connection", b"close, X-Trace , te"), (b"x-trace", b"1"), (b"x-other", b"2")]
    assert request_headers(sent) == [(b"x-other", b"2")]
    assert response_headers(sent) == [(b"x-other", b"2")]


def test_connection_cannot_name_what_a_message_needs() -> None:
    sent = [
        (b"connection", b"content-length, host, authorization, content-type, content-encoding"),
        (b"content-length", b"3"),
        (b"authorization", b"Bearer k"),
        (b"content-type", b"application/json"),
        (b"content-encoding", b"gzip"),
    ]
    assert request_headers(sent) == sent[1:]


def test_a_response_keeps_its_length_unless_its_body_may_shrink() -> None:
    sent = [(b"Content-Type", b"text/event-stream"), (b"Content-Length", b"5"), (b"Connection", b"Keep-Alive")]
    assert response_headers(sent) == [(b"content-type", b"text/event-stream"), (b"content-length", b"5")]
    assert response_headers(sent, keep_length=False) == [(b"content-type", b"text/event-stream")]


NAMES = st.sampled_from([b"a", b"b", b"x-c", b"connection", b"te", b"upgrade", b"content-length", b"host"])


@given(st.lists(st.tuples(NAMES, st.sampled_from([b"1", b"a", b"close", b"x-c, b"])), max_size=10))
def test_what_passes_is_what_came_without_the_hops_own(sent: list[tuple[bytes, bytes]]) -> None:
    named = {option.strip() for name, value in sent if name == b"connection" for option in value.split(b",")} - {
        b"content-length",
        b"host",
    }
    expected = [(name, value) for name, value in sent if name not in HOP_BY_HOP and name not in named]
    assert response_headers(sent) == expected
    assert request_headers(sent) == [field for field in expected if field[0] != b"host"]
