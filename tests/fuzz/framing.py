"""Reads the requests of one connection twice: with the gateway's parser, llhttp, and with h11."""

from dataclasses import dataclass, field

import h11
import httptools

from concur_proxy.server.head import fault_of_head
from concur_proxy.server.http_client import VERSIONS

MAX_REQUESTS = 8


@dataclass(slots=True)
class Request:
    """One request, without what belongs to its connection."""

    method: bytes = b""
    target: bytes = b""
    body: bytes = b""
    fields: list[tuple[bytes, bytes]] = field(default_factory=list)


class _Reader:
    """The callbacks of llhttp."""

    def __init__(self) -> None:
        self.complete: list[Request] = []
        self.now = Request()
        self.in_body = self.is_refused = False
        self.parser = httptools.HttpRequestParser(self)

    def on_message_begin(self) -> None:
        self.now, self.in_body = Request(), False

    def on_url(self, url: bytes) -> None:
        self.now.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.in_body:
            self.now.fields.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self.in_body = True
        version = self.parser.get_http_version()
        if version not in VERSIONS or fault_of_head(self.now.fields, is_old=version == "1.0"):
            self.is_refused = True

    def on_body(self, body: bytes) -> None:
        self.now.body += body

    def on_message_complete(self) -> None:
        if not self.is_refused:
            self.complete.append(self.now)


def read_as_gateway(data: bytes) -> tuple[list[Request], bool]:
    """The complete requests, and whether the input was valid until its end."""
    reader = _Reader()
    try:
        reader.parser.feed_data(data)
    except (httptools.HttpParserError, httptools.HttpParserUpgrade):
        return _with_methods(reader.complete, data), False
    return _with_methods(reader.complete, data), not reader.is_refused


def _with_methods(requests: list[Request], data: bytes) -> list[Request]:
    """llhttp gives the method of the latest request only; the first one is at the beginning of the input."""
    if requests:
        requests[0].method = data.lstrip(b"\r\n").partition(b" ")[0]
    return requests


def read_as_h11(data: bytes) -> tuple[list[Request], str | None]:
    """The complete requests by h11, and why it does not accept what follows, if it does not: empty if it only closes
    the connection.
    """
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=2**20)
    connection.receive_data(data)
    requests: list[Request] = []
    now = Request()
    while len(requests) < MAX_REQUESTS:
        try:
            event = connection.next_event()
        except h11.RemoteProtocolError as error:
            return requests, str(error)
        if isinstance(event, h11.Request):
            now = Request(event.method, event.target, fields=list(event.headers))
        elif isinstance(event, h11.Data):
            now.body += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage):
            requests.append(now)
            if connection.their_state is not h11.DONE:
                return requests, ""
            connection.send(h11.Response(status_code=204, headers=[]))
            connection.send(h11.EndOfMessage())
            if connection.our_state is not h11.DONE:
                return requests, ""
            connection.start_next_cycle()
        else:
            return requests, None
    return requests, None


def check_agreement(data: bytes) -> None:
    """Both readings agree on every request that both have read, and on how many there are if both accept the input."""
    ours, we_accept = read_as_gateway(data)
    theirs, problem = read_as_h11(data)
    for one, other in zip(ours, theirs, strict=False):
        assert (one.target, one.body) == (other.target, other.body)
        assert not one.method or one.method == other.method
    if we_accept and problem is None:
        assert len(ours) == len(theirs) or len(theirs) == MAX_REQUESTS
