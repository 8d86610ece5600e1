"""The admin API over HTTP. A call is let pass or refused by the gateway that it comes to, and answered by whoever of
several decides.
"""

from collections.abc import Awaitable, Callable

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from concur_proxy.admin.access import error, refusal
from concur_proxy.admin.answers import ErrorAnswer
from concur_proxy.admin.engines import ENGINES_PATH
from concur_proxy.admin.operations import Operation, Operations
from concur_proxy.admin.steer import LAW_PATH, SESSIONS_PATH, STATE_PATH, WINDOW_PATH
from concur_proxy.admission.steering import Steering
from concur_proxy.coordination.protocol.messages import Call
from concur_proxy.coordination.store import LeaderSilent, SessionStore
from concur_proxy.relay.asgi import BodyTooLarge, ClientGone, read_body

OPENAPI_PATH = "/concur/v1/openapi.json"
ADMIN_API_PATHS = frozenset(
    {
        *(STATE_PATH, SESSIONS_PATH, WINDOW_PATH, LAW_PATH, ENGINES_PATH, OPENAPI_PATH),
        *(f"{SESSIONS_PATH}/{steering.value}" for steering in Steering),
    }
)
MAX_BODY_BYTES = 64 * 1024
"""A question names one session or engine."""

Handler = Callable[[Request], Awaitable[Response]]


def add_admin_routes(app: FastAPI, operations: Operations, store: SessionStore, admin_key: str | None) -> None:
    """Let callers that `access.refusal` lets pass make these calls, and read what they are."""
    store.on_call(operations.answer)
    for operation in operations.all.values():
        app.add_api_route(
            operation.path,
            _handler(operation, store, admin_key),
            methods=[operation.method],
            summary=operation.summary,
            operation_id=f"{operation.method.lower()}_{operation.path.removeprefix('/concur/v1/').replace('/', '_')}",
            responses=_responses(operation),
            openapi_extra={**_takes(operation), "security": _SECURITY},
        )

    async def openapi(request: Request) -> Response:
        """This description."""
        refused = refusal(request, admin_key)
        if refused is not None:
            return refused
        document = app.openapi()
        document["components"]["securitySchemes"] = _SCHEMES
        return JSONResponse(document)

    app.add_api_route(OPENAPI_PATH, openapi, methods=["GET"])


def _handler(operation: Operation, store: SessionStore, admin_key: str | None) -> Handler:
    async def handle(request: Request) -> Response:
        refused = refusal(request, admin_key)
        if refused is not None:
            return refused
        try:
            declared = request.headers.get("content-length")
            body = await read_body(request.receive, declared=declared, limit=MAX_BODY_BYTES)
            call = Call(method=operation.method, path=operation.path, query=request.url.query, body=body)
            reply = await store.call(call)
        except BodyTooLarge:
            return error(413, "body_too_large", f"The limit is {MAX_BODY_BYTES} bytes here.")
        except ClientGone:
            return Response()
        except LeaderSilent as silence:
            return error(503, "leader_silent", str(silence))
        return Response(reply.body, reply.status, media_type="application/json")

    return handle


def _responses(operation: Operation) -> dict[int | str, dict[str, object]]:
    wrong = (400, 413) if operation.method != "GET" else ()
    statuses = sorted({401, 403, 503, *wrong, *operation.refuses})
    described: dict[int | str, dict[str, object]] = {
        status: {"model": ErrorAnswer, "description": _MEANINGS[status]} for status in statuses
    }
    return {200: {"model": operation.gives, "description": "Done, or told"}, **described}


_SCHEMES = {"admin_key": {"type": "http", "scheme": "bearer", "description": "The gateway's `admin_key`"}}
_SECURITY: list[dict[str, list[str]]] = [{"admin_key": []}, {}]
"""The key, or none: a gateway without one serves callers on its own machine."""

_MEANINGS = {
    400: "What is asked is not understood, or cannot be",
    401: "The key is missing or wrong",
    403: "The caller may not",
    404: "There is no such session or engine",
    409: "Not at present; the message tells why",
    413: "The body is too large",
    503: "The gateway that leads has not answered in time",
}


def _takes(operation: Operation) -> dict[str, object]:
    schema = operation.takes.model_json_schema()
    if operation.method != "GET":
        return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}
    fields = schema.get("properties", {})
    return {"parameters": [{"name": name, "in": "query", "schema": field} for name, field in fields.items()]}
