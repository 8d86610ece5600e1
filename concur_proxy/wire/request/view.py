"""One request as the gateway sees it. Head and body are read once, each part when it is first needed."""

import math
import re
from collections.abc import Generator, Iterable, Mapping
from itertools import chain

from msgspec.structs import replace

from concur_proxy.wire.headers import Headers
from concur_proxy.wire.request.body import EMPTY_BODY, BodyFault, JsonBody
from concur_proxy.wire.request.body_reader import JsonBodyReader
from concur_proxy.wire.request.models import model_in_form, model_in_path

DEFAULT_END_HEADERS: tuple[str, ...] = ("x-session-end", "x-dynamo-session-final")
"""Headers by which a client says that this is its session's last request."""

REQUEST_ID = b"x-request-id"
"""Names one request in the logs of client, gateway and engine."""

# The SDKs send their read timeout in seconds, newer ones under the first name (openai 3.57, anthropic 2.13: both
# `_build_headers`).
_TIMEOUT, _OLDER_TIMEOUT = b"x-stainless-read-timeout", b"x-stainless-timeout"

_USABLE_ID = re.compile(rb"[!-~]{1,128}")
_TRUE = frozenset({b"true", b"1", b"yes"})
_FRAMING = frozenset({b"content-length", b"transfer-encoding"})


class RequestReader:
    """Makes the views. It knows the headers that end a session and the body fields that recognisers read."""

    def __init__(self, end_headers: Iterable[str] = DEFAULT_END_HEADERS, body_fields: Iterable[str] = ()) -> None:
        """`body_fields` are top-level fields of a JSON body; see `JsonBody.fields`."""
        self.end_headers = frozenset(name.lower().encode("latin-1") for name in end_headers)
        self.bodies = JsonBodyReader(body_fields)

    def view(self, method: str, target: bytes, path: str, headers: Headers) -> "RequestView":
        """Return the view of a request whose body has not been received yet. It may add to `headers`."""
        return RequestView(self, method, target, path, headers)


class RequestView:
    """One request. Reading it never raises."""

    __slots__ = (
        "_json",
        "_reader",
        "_values",
        "body",
        "continued_session",
        "fault",
        "head_bytes",
        "headers",
        "method",
        "path",
        "target",
        "tenant",
    )

    def __init__(self, reader: RequestReader, method: str, target: bytes, path: str, headers: Headers) -> None:
        self._reader = reader
        self._json: JsonBody | None = None
        self.method = method
        self.target = target
        """Path and query as received."""
        self.path = path
        """The path, percent-decoded."""
        self.headers = headers
        self.head_bytes = sum(map(len, chain.from_iterable(headers)))
        """Size of all header names and values as received."""
        self._values: dict[bytes, bytes] | None = None
        self.body = b""
        """Set when the whole body has been received, before anything below is used."""
        self.continued_session: str | None = None
        """The session of the response that the request continues, `json.previous_response_id`. Set before recognisers
        are asked; None if it is not known.
        """
        self.tenant: str | None = None
        """The name of the client's tenant; None: not known, so the client's own credential tells it from others."""
        self.fault: BodyFault | None = None
        """Why no engine could read the body; known when `json` has been used. None for a body that is not JSON."""

    @property
    def values(self) -> Mapping[bytes, bytes]:
        """The first value of each header by its lower-case name. It may be empty, see `header`."""
        values = self._values
        if values is None:
            values = self._values = dict(reversed(self.headers))
        return values

    def header(self, name: bytes) -> bytes | None:
        """Return the first value of this header that is not empty."""
        value = self.values.get(name)
        if value == b"":
            return next((value for other, value in self.headers if other == name and value), None)
        return value

    @property
    def request_id(self) -> bytes | None:
        """The client's `x-request-id`; None unless it is 1 to 128 visible ASCII characters."""
        value = self.values.get(REQUEST_ID)
        return value if value is not None and _USABLE_ID.fullmatch(value) else None

    def give_id(self, request_id: bytes) -> None:
        """Add an `x-request-id` to a request without one. An unusable one of the client's stays as it is."""
        if REQUEST_ID not in self.values:
            self.headers.append((REQUEST_ID, request_id))

    @property
    def ends_session(self) -> bool:
        """Whether the client says that this is its session's last request."""
        ends = self._reader.end_headers
        if ends.isdisjoint(self.values):
            return False
        return any(name in ends and value.strip().lower() in _TRUE for name, value in self.headers)

    @property
    def client_timeout_s(self) -> float | None:
        """How long the client says that it waits for an answer, in seconds."""
        value = self.header(_TIMEOUT) or self.header(_OLDER_TIMEOUT)
        if value is None:
            return None
        try:
            seconds = float(value)
        except ValueError:
            return None
        return seconds if math.isfinite(seconds) and seconds > 0 else None

    @property
    def has_body(self) -> bool:
        """Whether the client sent a body, also an empty one."""
        return bool(self.body) or not _FRAMING.isdisjoint(self.values)

    @property
    def is_json(self) -> bool:
        """Whether the gateway may read the body as JSON: it is not compressed, and no content type contradicts."""
        encoding = self.header(b"content-encoding")
        if encoding is not None and encoding.strip().lower() != b"identity":
            return False
        content_type = self.header(b"content-type")
        return content_type is None or b"json" in content_type.lower()

    @property
    def json(self) -> JsonBody:
        """The fields of the body that the gateway reads; an empty `JsonBody` where it cannot read it."""
        if self._json is None:
            for _ in self.read_in_steps():
                pass
        return self._json or EMPTY_BODY

    def read_in_steps(self) -> Generator[None, None, None]:
        """Read the body, so that `json` is known. The caller can do other work between two steps."""
        if self.is_json:
            read = yield from self._reader.bodies.steps(self.body)
            if isinstance(read, JsonBody):
                self._json = read
                return
            self.fault = read
        self._json = EMPTY_BODY

    def forget_values(self) -> None:
        """Drop what `values` returns, which takes memory while the request waits. The next use makes it again."""
        self._values = None

    def forget_prompt(self) -> None:
        """Drop the parts of `json.prompt`, which take memory. Call it when nothing reads them any more."""
        if self._json is not None and self._json.prompt is not None:
            self._json = replace(self._json, prompt=None)

    def passing_model(self) -> Generator[None, None, str | None]:
        """Return the model that a request outside admission names: in its path, its form or its JSON. In steps."""
        if not self.body:
            return model_in_path(self.path)
        content_type = self.header(b"content-type")
        if content_type is not None and content_type.lower().startswith(b"multipart/form-data"):
            return (yield from model_in_form(self.body))
        yield from self.read_in_steps()
        return self.json.model
