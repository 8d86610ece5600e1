"""The kinds of value that settings take. A wrong value is a `ValueError` that says what is expected."""

import json
import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator

from concur_proxy.control.quantities import seconds, size
from concur_proxy.engines.address import addresses, is_server_url
from concur_proxy.engines.pages import MetricsPage, parse_page
from concur_proxy.settings.units import OrSize, OrTime
from concur_proxy.wire.request.endpoint_rule import EndpointKind, EndpointRule, parse_endpoint_rule

ADMIN_KEY_CHARS = 8
"""Least length of the admin key: a shorter one could be guessed."""

MAX_CAPACITY_DIGITS = 15

LEAST_BUFFERED_BYTES = 1024
MOST_BUFFERED_BYTES = 1 << 50

_GENERATE = "generate:"
_ROOT_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)+")
_TWO_URLS = re.compile(r"(?P<engine>.+?)=(?P<page>\s*https?://.*)")
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # RFC 9110, 5.6.2: token


def split_list(name: str, text: str) -> list[str]:
    """Split a list that is written as one text: items with commas between them, or JSON.

    `allow_paths` has semicolons between its items, because a rule has commas between its methods.
    """
    if text.lstrip().startswith("["):
        try:
            items = json.loads(text)
        except ValueError:
            items = None
        if isinstance(items, list):
            return items
    separator = ";" if name == "allow_paths" else ","
    return [item.strip() for item in text.split(separator) if item.strip()]


def engine_server(text: str) -> str:
    """Check an item of `engine` and remove slashes at its end. Raises `ValueError` if it is not the URL of a server."""
    url, mark, ranks = text.partition("#")
    if "://" not in url:
        raise ValueError(f"must begin with http:// or https://, as in http://{url}")
    if not is_server_url(url):
        raise ValueError(
            "must be http[s]://host[:port][/base/path] in ASCII, with no user or query, and #dp=N for ranks"
        )
    whole = url.rstrip("/") + mark + ranks
    addresses(whole)
    return whole


def capacity(text: str) -> tuple[str, int]:
    """Read an item of `capacity_tokens`: the URL of an engine, or "" for all engines, and the size of its cache.

    Raises `ValueError` if it is not a number or `URL=number`.
    """
    url, _, number = text.rpartition("=")
    try:
        tokens = size(number)
    except ValueError:
        tokens = 0
    if not 0 < tokens < 10**MAX_CAPACITY_DIGITS:
        raise ValueError("must be a number of tokens, or URL=number as in http://gpu:8000=463k")
    if "#" in url:
        raise ValueError("must name the server without #dp=N; the number is the size of each rank's cache")
    return (engine_server(url.strip()) if url else ""), tokens


def metrics_page(text: str) -> tuple[str, MetricsPage]:
    """Read an item of `metrics_url`: the URL of an engine and a page of its metrics.

    Raises `ValueError` if it is not `URL=URL`.
    """
    found = _TWO_URLS.fullmatch(text)
    if found is None:
        raise ValueError("must be an engine and a page, as in http://router:8000=http://gpu:8000/metrics")
    if "#" in found["engine"]:
        raise ValueError("must name the server without #dp=N")
    return engine_server(found["engine"].strip()), parse_page(found["page"].strip())


def _metrics_item(text: str) -> str:
    engine, page = metrics_page(text)
    return f"{engine}={page.url}" + (f"#{page.role.value}" if page.role.value else "")


def _capacity_item(text: object) -> str:
    """An item of a list in a file can be a plain number."""
    written = str(text)
    url, tokens = capacity(written)
    return f"{url}={tokens}" if url else str(tokens)


def _header_name(name: str) -> str:
    if not _HEADER_NAME.fullmatch(name):
        raise ValueError("must be the name of a header, such as x-session-id")
    return name.lower()


def _body_field(path: str) -> str:
    if not all(step.strip() for step in path.split(".")):
        raise ValueError("must be a path into the body, such as metadata.session_id")
    return path


def _root_path(path: str) -> str:
    path = path.rstrip("/")
    if path and not _ROOT_PATH.fullmatch(path):
        raise ValueError("must be a path without a query, such as /llm")
    return path


def endpoint_rule(text: str) -> EndpointRule:
    """Parse an item of `allow_paths`. Raises `ValueError` if it is not a rule."""
    if text.startswith(_GENERATE):
        return parse_endpoint_rule(text.removeprefix(_GENERATE), EndpointKind.GENERATE)
    return parse_endpoint_rule(text, EndpointKind.PASS)


def _path_rule(text: str) -> str:
    endpoint_rule(text)
    return text


def _lease(value: object) -> object:
    if value == "auto":
        return value
    try:
        lease_s = seconds(str(value))
    except ValueError:
        lease_s = -1.0
    if lease_s < 0:
        raise ValueError("must be auto, or seconds, 0 or more, such as 20 or 2m")
    return lease_s


def _buffered(value: object) -> object:
    if value == "auto":
        return value
    try:
        most = size(str(value))
    except ValueError:
        most = 0
    if not LEAST_BUFFERED_BYTES <= most < MOST_BUFFERED_BYTES:
        raise ValueError(f"must be auto, or bytes, {LEAST_BUFFERED_BYTES} or more, such as 1Gi")
    return most


def _bearer(key: str) -> str:
    if not (key.isascii() and key.isprintable() and key and " " not in key):
        raise ValueError("must be printable ASCII without spaces")
    return key


def _admin_key(key: str) -> str:
    # other characters are not allowed in a header, or clients encode them in different ways
    if len(key) < ADMIN_KEY_CHARS or not (key.isascii() and key.isprintable() and key == key.strip()):
        raise ValueError(f"must be {ADMIN_KEY_CHARS} or more characters of ASCII, with no space at either end")
    return key


def _collector(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("must be the base URL of a collector for OTLP over HTTP, such as http://collector:4318")
    return text.rstrip("/").removesuffix("/v1/traces")


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _named_server(text: str) -> str:
    if not text.startswith("http://"):
        raise ValueError("must begin with http://, because a certificate for the name does not cover its addresses")
    return engine_server(text)


CapacityTokens = Annotated[str, BeforeValidator(_capacity_item, json_schema_input_type=int | str)]
MetricsUrl = Annotated[str, AfterValidator(_metrics_item)]
EngineUrl = Annotated[str, AfterValidator(engine_server)]
NamedUrl = Annotated[str, AfterValidator(_named_server)]
HeaderName = Annotated[str, AfterValidator(_header_name)]
BodyField = Annotated[str, AfterValidator(_body_field)]
RootPath = Annotated[str, AfterValidator(_root_path)]
PathRule = Annotated[str, AfterValidator(_path_rule)]
AdminKey = Annotated[str, AfterValidator(_admin_key)]
BearerKey = Annotated[str, AfterValidator(_bearer)]
CollectorUrl = Annotated[str, AfterValidator(_collector)]
LeaseSeconds = Annotated[Literal["auto"] | float, BeforeValidator(_lease), OrTime]
BufferedBytes = Annotated[Literal["auto"] | int, BeforeValidator(_buffered), OrSize]
LogLevel = Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(_lower)]
