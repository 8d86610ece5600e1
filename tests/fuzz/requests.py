"""Fuzz targets: what the gateway reads in requests of clients."""

import json
import posixpath
import re
from typing import Any
from urllib.parse import unquote

from pydantic import TypeAdapter, ValidationError

from concur_proxy import plugins
from concur_proxy.recognition.recogniser import (
    DEFAULT_RECOGNISERS,
    MAX_KEY_CHARS,
    RecogniserChain,
    RecogniserOptions,
    session_key,
)
from concur_proxy.steps import finish
from concur_proxy.wire.request.body import BodyFault
from concur_proxy.wire.request.body_reader import JsonBodyReader
from concur_proxy.wire.request.endpoint_rule import METHODS
from concur_proxy.wire.request.endpoints import Endpoint, EndpointCatalogue
from concur_proxy.wire.request.include_usage import inject_include_usage
from concur_proxy.wire.request.models import model_in_form
from concur_proxy.wire.request.view import RequestReader
from concur_proxy.wire.request.wire_fields import MAX_NAME_CHARS
from tests.fuzz.framing import check_agreement

_FIELDS = ("session_id", "metadata")
_READER = JsonBodyReader(_FIELDS)
_CHAT = "/v1/chat/completions"
_BOOLEAN = TypeAdapter(bool)
_PATHS = [kind.paths for kind in plugins.own_engine_kinds()]
_CATALOGUE = EndpointCatalogue(known=_PATHS, others=_PATHS)


def body(data: bytes) -> None:
    """A body is read as Python's json reads it, and only its options are changed."""
    finish(model_in_form(data))
    ours = _READER.read(data)
    value, problem = _read(data)
    if problem:
        # Python limits digits and depth, and the reader skips most numbers. The engine will refuse such a body.
        assert isinstance(ours, BodyFault) or "digits" in problem or "recursion" in problem
        return
    if not isinstance(value, dict):
        assert isinstance(ours, BodyFault)
        return
    assert not isinstance(ours, BodyFault)
    model = value.get("model")
    assert ours.model == (model if isinstance(model, str) and _is_name(model) else None)
    assert ours.is_stream == _flag(value.get("stream"))
    expected = {name: value[name] for name in _FIELDS if value.get(name) is not None}
    assert json.dumps(ours.fields, sort_keys=True) == json.dumps(expected, sort_keys=True)
    changed = inject_include_usage(data, ours)
    if changed is not None:
        options = {**(value.get("stream_options") or {}), "include_usage": True}
        assert json.dumps(json.loads(b"".join(changed)), sort_keys=True) == json.dumps(
            {**value, "stream_options": options}, sort_keys=True
        )


def path(data: bytes) -> None:
    """No path that passes can be read as an administrative one. The first byte selects the method."""
    method = METHODS[sum(data[:1]) % len(METHODS)]
    raw = data[1:].decode("latin-1").partition("?")[0]
    decoded = unquote(raw)
    if not isinstance(_CATALOGUE.find(method, decoded), Endpoint):
        return
    for other in readings(decoded):
        assert other not in _CATALOGUE.administration


def session(data: bytes) -> None:
    """Any headers and fields give a short printable key, or none, and never an error.

    The input is header lines, an empty line and a body.
    """
    head, _, content = data.partition(b"\n\n")
    headers = [(name.lower(), value) for name, _, value in (line.partition(b":") for line in head.split(b"\n"))]
    errors: list[Exception] = []
    options = RecogniserOptions()
    chain = RecogniserChain(
        [plugins.build(plugins.RECOGNISERS, name, options) for name in DEFAULT_RECOGNISERS], errors.append
    )
    view = RequestReader(body_fields=chain.body_fields).view(
        "POST", b"/v1/chat/completions", "/v1/chat/completions", headers
    )
    view.body = content
    found = chain.recognise(view).recognition
    chain.hint(view)
    assert not errors
    assert view.client_timeout_s is None or view.client_timeout_s > 0
    if found is not None:
        names = [found.key, found.member, found.parent, found.parent_key or ""]
        assert found.key
        assert all(name.isprintable() and len(name) <= MAX_KEY_CHARS for name in names)
    first, second = (session_key(part) for part in (head, content))
    if first is not None and first == second:
        assert _text(head) == _text(content)


def framing(data: bytes) -> None:
    """Our reading of requests on a connection equals h11's, wherever both accept them."""
    check_agreement(data)


def readings(path: str) -> set[str]:
    """Other paths that a lenient server could read in this one."""
    found = {path}
    for _ in range(3):
        for one in tuple(found):
            twice = unquote(one)
            found |= {twice, one.replace("\\", "/"), posixpath.normpath(one or "/")}
            found |= {re.sub(r";[^/]*", "", one), one.partition("\x00")[0], one.partition("#")[0].partition("?")[0]}
            found |= {one.rstrip(" .\t\r\n"), one.strip()}
    return {f"/{one.lstrip('/')}" for one in found}


def _read(data: bytes) -> tuple[Any, str]:
    """What Python's json reads, or what is wrong."""
    try:
        return json.loads(data), ""
    except (ValueError, RecursionError) as error:
        return None, str(error) or type(error).__name__


def _is_name(text: str) -> bool:
    return len(text) <= MAX_NAME_CHARS and not any("\ud800" <= char <= "\udfff" for char in text)


def _flag(value: object) -> bool:
    try:
        return value is not None and _BOOLEAN.validate_python(value)
    except ValidationError:
        return False


def _text(value: bytes) -> str:
    try:
        return value.decode().strip()
    except UnicodeDecodeError:
        return value.decode("latin-1").strip()
