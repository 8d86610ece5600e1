"""The admin API over HTTP, and its OpenAPI document.

The gateway that receives a call checks the caller. The gateway that decides answers it.
"""

from collections.abc import Awaitable, Callable

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from concur_proxy.admin.access import AdminAccess, caller_of, error
from concur_proxy.admin.audit import Audit
from concur_proxy.admin.operations import Operation, Operations
from concur_proxy.admin.paths import DOCS_PATH, OPENAPI_PATH
from concur_proxy.admin.reference import POLICY, reference_page
from concur_proxy.admin.schema import ErrorBody
from concur_proxy.coordination.coordinator import Coordinator, LeaderSilent
from concur_proxy.coordination.protocol.messages import Call
from concur_proxy.relay.body import BodyTooLarge, ClientGone, parts_over_asgi, read_body

MAX_BODY_BYTES = 64 * 1024
"""Limit of a request body, which only names a session or an engine."""

_PAGE_HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}

Handler = Callable[[Request], Awaitable[Response]]


def add_admin_routes(
    app: FastAPI, operations: Operations, coordinator: Coordinator, access: AdminAccess, audit: Audit
) -> None:
    """Serve the calls and their description to callers that `access` accepts."""
    for operation in operations.all.values():
        app.add_api_route(
            operation.path,
            _handler(operation, coordinator, access, audit),
            methods=[operation.method],
            summary=operation.summary,
            operation_id=f"{operation.method.lower()}_{operation.path.removeprefix('/concur/v1/').replace('/', '_')}",
            responses=_responses(operation),
            openapi_extra={**_parameters(operation), "security": _SECURITY},
        )

    async def openapi(request: Request) -> Response:
        """This OpenAPI document."""
        refused = await access.refusal(request)
        if refused is not None:
            return refused
        document = app.openapi()
        document["components"]["securitySchemes"] = _SCHEMES
        return JSONResponse(document)

    app.add_api_route(OPENAPI_PATH, openapi, methods=["GET"])

    async def reference() -> Response:
        return Response(
            reference_page(app.openapi()), headers={**_PAGE_HEADERS, "content-type": "text/html; charset=utf-8"}
        )

    app.add_api_route(DOCS_PATH, reference, methods=["GET"], include_in_schema=False)


def _handler(operation: Operation, coordinator: Coordinator, access: AdminAccess, audit: Audit) -> Handler:
    async def handle(request: Request) -> Response:
        refused = await access.refusal(request)
        if refused is not None:
            return refused
        try:
            declared = request.headers.get("content-length")
            body = await read_body(parts_over_asgi(request.receive), declared=declared, limit=MAX_BODY_BYTES)
            call = Call(method=operation.method, path=operation.path, query=request.url.query, body=body)
            reply = await coordinator.call(call)
        except BodyTooLarge:
            return error(413, "body_too_large", f"The request body is larger than {MAX_BODY_BYTES} bytes.")
        except ClientGone:
            return Response()
        except LeaderSilent as silence:
            return error(503, "leader_silent", str(silence))
        if operation.method != "GET":
            audit.write(caller_of(request.scope), operation.method, operation.path, body, reply.status)
        return Response(reply.body, reply.status, media_type="application/json")

    return handle


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
    429: "Too many calls with a wrong key came from this address",
    503: "The leading gateway did not answer in time",
}


def _responses(operation: Operation) -> dict[int | str, dict[str, object]]:
    wrong = (400, 413) if operation.method != "GET" else ()
    statuses = sorted({401, 403, 429, 503, *wrong, *operation.refuses})
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
