"""Who may use the admin API, and how it says no."""

from hmac import compare_digest
from http import HTTPStatus
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from concur_proxy.admin.answers import ErrorAnswer, ErrorDetail

_FORWARDED = frozenset({"forwarded", "x-forwarded-for", "x-real-ip"})
"""A proxy on this machine writes one of them into the requests of others."""
_KINDS = {401: "authentication_error", 403: "permission_error"}


def refusal(request: Request, admin_key: str | None) -> Response | None:
    """Why the caller may not, or None: with a key its holder may, without one whoever calls from this machine.

    Without a key, a web page of somebody else, open in a browser on this machine, may not: its `Origin` is another one,
    or the name by which it calls is no name of this machine. No browser adds the key by itself, and a proxy on the way
    may write a `Host` of its own, so with one it does not matter where the page came from.
    """
    if admin_key is not None:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and compare_digest(given.encode("latin-1"), admin_key.encode()):
            return None
        return error(401, "wrong_key", "Send the gateway's admin_key as Authorization: Bearer.")
    host = request.headers.get("host", "")
    origin = request.headers.get("origin")
    if origin is not None and _netloc(origin) != host:
        return error(403, "other_origin", f"Pages of {origin[:200]} may not call this.")
    caller = "" if request.client is None else request.client.host
    is_passed_on = not _FORWARDED.isdisjoint(request.headers)
    if _is_near(caller) and _names_near(host) and not is_passed_on:
        return None
    return error(403, "not_local", "Call from the gateway's own machine, or set an admin_key.")


def error(status: int, code: str, message: str) -> Response:
    """An error in OpenAI's shape."""
    return Response(error_body(status, code, message), status, media_type="application/json")


def error_body(status: int, code: str, message: str, *, param: str | None = None) -> bytes:
    """The same without HTTP around it."""
    kind = _KINDS.get(status, "invalid_request_error" if status < HTTPStatus.INTERNAL_SERVER_ERROR else "server_error")
    detail = ErrorDetail(message=message, type=kind, param=param, code=code)
    return ErrorAnswer(error=detail).model_dump_json().encode()


def _netloc(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None


def _names_near(host: str) -> bool:
    """Whether a request's `Host` is a name of this machine; one without may come from no browser."""
    try:
        name = urlsplit(f"//{host}").hostname or "localhost"
    except ValueError:
        return False
    return name == "localhost" or _is_near(name)


def _is_near(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
