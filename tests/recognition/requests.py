"""Requests for recognisers."""

import json

from concur_proxy.recognition.recogniser import Recogniser, Recognition
from concur_proxy.wire.request.view import RequestReader, RequestView


def request_for(recogniser: Recogniser, *headers: tuple[str, str], **body: object) -> RequestView:
    """A chat completion with these headers and body fields, read as this recogniser needs it."""
    fields = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    view = RequestReader(body_fields=recogniser.body_fields).view("POST", b"/", "/v1/chat/completions", fields)
    view.body = json.dumps(body).encode()
    return view


def key_of(recogniser: Recogniser, *headers: tuple[str, str], **body: object) -> str | None:
    """The session's key that it finds."""
    found = recogniser.recognise(request_for(recogniser, *headers, **body))
    return found.key if isinstance(found, Recognition) else None
