"""The admin API over HTTP: who may call it, and its OpenAPI document.

The gateway that receives a call checks the caller. The gateway that decides answers it.
"""

from collections.abc import Awaitable, Callable
from hmac import compare_digest
from ipaddress import IPv6Address, ip_address
from urllib.parse import urlsplit

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from concur_proxy.admin.calls import ENGINES_PATH, LAW_PATH, SESSIONS_PATH, STATE_PATH, STEERING_PATHS, WINDOW_PATH
from concur_proxy.admin.operations import Operation, Operations, error_body
from concur_proxy.admin.schema import ErrorBody
from concur_proxy.coordination.coordinator import Coordinator, LeaderSilent
from concur_proxy.coordination.protocol.messages import Call
from concur_proxy.relay.body import BodyTooLarge, ClientGone, read_body

OPENAPI_PATH = "/concur/v1/openapi.json"
ADMIN_API_PATHS = frozenset(
    {STATE_PATH, SESSIONS_PATH, WINDOW_PATH, LAW_PATH, ENGINES_PATH, OPENAPI_PATH, *STEERING_PATHS.values()}
)
MAX_BODY_BYTES = 64 * 1024
"""Limit of a request body, which only names a session or an engine."""

Handler = Callable[[Request], Awaitable[Response]]


def add_admin_routes(app: FastAPI, operations: Operations, coordinator: Coordinator, admin_key: str | None) -> None:
    """Serve the calls and their description to callers that `refusal` accepts."""
    for operation in operations.all.values():
        app.add_api_route(
            operation.path,
            _handler(operation, coordinator, admin_key),
            methods=[operation.method],
            summary=operation.summary,
            operation_id=f"{operation.method.lower()}_{operation.path.removeprefix('/concur/v1/').replace('/', '_')}",
            responses=_responses(operation),
            openapi_extra={**_parameters(operation), "security": _SECURITY},
        )

    async def openapi(request: Request) -> Response:
        """This OpenAPI document."""
        refused = refusal(request, admin_key)
        if refused is not None:
            return refused
        document = app.openapi()
        document["components"]["securitySchemes"] = _SCHEMES
        return JSONResponse(document)

    app.add_api_route(OPENAPI_PATH, openapi, methods=["GET"])


def _handler(operation: Operation, coordinator: Coordinator, admin_key: str | None) -> Handler:
    async def handle(request: Request) -> Response:
        refused = refusal(request, admin_key)
        if refused is not None:
            return refused
        try:
            declared = request.headers.get("content-length")
            body = await read_body(request.receive, declared=declared, limit=MAX_BODY_BYTES)
            call = Call(method=operation.method, path=operation.path, query=request.url.query, body=body)
            reply = await coordinator.call(call)
        except BodyTooLarge:
            return _error(413, "body_too_large", f"The request body is larger than {MAX_BODY_BYTES} bytes.")
        except ClientGone:
            return Response()
        except LeaderSilent as silence:
            return _error(503, "leader_silent", str(silence))
        return Response(reply.body, reply.status, media_type="application/json")

    return handle


# -- who may call

_FORWARDED = frozenset({"forwarded", "x-forwarded-for", "x-real-ip"})
"""A proxy on this machine adds one of these headers to requests from other machines."""


def refusal(request: Request, admin_key: str | None) -> Response | None:
    """An error response if the caller is not allowed, else None.

    With an admin key, everyone who sends the key is allowed. A browser never adds the key by itself, so origin and host
    do not matter.

    Without a key, only this machine is allowed. Cross-origin requests and DNS rebinding are rejected, because a web
    page of a stranger may be open in a browser on this machine. Requests that a proxy forwarded are rejected too.
    """
    if admin_key is not None:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and compare_digest(given.encode("latin-1"), admin_key.encode()):
            return None
        return _error(401, "wrong_key", "Send the gateway's admin_key in the header Authorization: Bearer KEY.")
    host = request.headers.get("host", "")
    origin = request.headers.get("origin")
    if origin is not None and _netloc(origin) != host:
        return _error(403, "other_origin", f"Pages from {origin[:200]} must not call this API.")
    caller = "" if request.client is None else request.client.host
    is_forwarded = not _FORWARDED.isdisjoint(request.headers)
    if _is_loopback(caller) and _is_local_name(host) and not is_forwarded:
        return None
    message = "Without an admin_key, only the gateway's own machine may call this API. Set one to allow others."
    return _error(403, "not_local", message)


def _error(status: int, code: str, message: str) -> Response:
    return Response(error_body(status, code, message), status, media_type="application/json")


def _netloc(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None


def _is_local_name(host: str) -> bool:
    """Whether the `Host` header names this machine. It may be missing: every browser sends one."""
    try:
        name = urlsplit(f"//{host}").hostname or "localhost"
    except ValueError:
        return False
    return name == "localhost" or _is_loopback(name)


def _is_loopback(host: str) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:  # an IPv4 caller of an IPv6 socket
        address = address.ipv4_mapped
    return address.is_loopback


# -- the OpenAPI document

_SCHEMES = {"admin_key": {"type": "http", "scheme": "bearer", "description": "The gateway's `admin_key`"}}
_SECURITY: list[dict[str, list[str]]] = [{"admin_key": []}, {}]
"""The key, or nothing: a gateway without a key serves callers on its own machine."""

_ERRORS = {
    400: "The request is invalid",
    401: "The key is missing or wrong",
    403: "The caller is not allowed",
    404: "Unknown session or engine",
    409: "Not possible now; the message says why",
    413: "The request body is too large",
    503: "The leading gateway did not answer in time",
}


def _responses(operation: Operation) -> dict[int | str, dict[str, object]]:
    wrong = (400, 413) if operation.method != "GET" else ()
    statuses = sorted({401, 403, 503, *wrong, *operation.refuses})
    described: dict[int | str, dict[str, object]] = {
        status: {"model": ErrorBody, "description": _ERRORS[status]} for status in statuses
    }
    return {200: {"model": operation.gives, "description": "Success"}, **described}


def _parameters(operation: Operation) -> dict[str, object]:
    schema = operation.takes.model_json_schema()
    if operation.method != "GET":
        return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}
    fields = schema.get("properties", {})
    return {"parameters": [{"name": name, "in": "query", "schema": field} for name, field in fields.items()]}
