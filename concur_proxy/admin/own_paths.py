"""The application behind the gateway's own paths: health, readiness, metrics, release of a session, live page."""

from collections.abc import Awaitable, Callable, Collection
from http import HTTPStatus
from importlib.resources import files
from typing import cast

from fastapi import FastAPI, HTTPException, Response
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse

from concur_proxy.admin.operations import error_body
from concur_proxy.admin.paths import PAGE_FILES, PAGE_PATH
from concur_proxy.admin.routes import MAX_BODY_BYTES
from concur_proxy.admission.changes import EndSession
from concur_proxy.coordination.coordinator import Coordinator
from concur_proxy.monitoring.monitor import EngineMonitor
from concur_proxy.recognition.recogniser import session_key
from concur_proxy.recognition.tenants import Tenant, Tenants, scoped
from concur_proxy.relay.body import BodyTooLarge, ClientGone, parts_over_asgi, read_body
from concur_proxy.wire.answer.errors import error_answer
from concur_proxy.wire.answer.fault import GatewayFault
from concur_proxy.wire.api_shape import ApiShape
from concur_proxy.wire.request.body import BodyFault
from concur_proxy.wire.request.body_reader import JsonBodyReader

_SESSION_NAMES = JsonBodyReader(("session_id", "program_id"))

_PAGE_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}


def build_admin(
    *,
    monitors: Collection[EngineMonitor],
    metrics: Callable[[], Awaitable[Collector]],
    coordinator: Coordinator,
    tenants: Tenants,
    is_draining: Callable[[], bool],
) -> FastAPI:
    """Build the application that serves `OWN_PATHS`; `routes.add_admin_routes` adds the admin API to it."""
    app = FastAPI(title="concur-proxy", docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        """200 while the process is alive."""
        return {"status": "ok"}

    @app.get("/readyz")
    async def readyz() -> JSONResponse:
        """200 if requests can be served, else 503. The body shows the state of each engine and of its signals."""
        engines = [_engine_detail(monitor) for monitor in monitors]
        reachable = any(detail["reachable"] for detail in engines)
        status = "draining" if is_draining() else "ready" if reachable else "no engine can be reached"
        kept = {"role": coordinator.status.role.value, "replicas": coordinator.status.replicas}
        return JSONResponse({"status": status, "store": kept, "engines": engines}, 200 if status == "ready" else 503)

    @app.get("/metrics")
    async def exposed(request: Request) -> Response:
        """Metrics in Prometheus text format, or in OpenMetrics format if the scraper asks for it."""
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(await metrics()), headers={"content-type": content_type})

    @app.post("/concur/v1/sessions/release")
    @app.post("/programs/release")  # ThunderAgent's path for the same call, so that its clients need no change
    async def release(request: Request) -> Response:
        """End a session of the caller's tenant, at once or after its current turn. An unknown session has already
        ended. Web pages are refused: a browser on a client's machine may have opened one that guesses names.
        """
        values = dict(reversed(request.headers.raw))
        tenant = tenants.of(values)
        if tenant is None:
            return _refuse(GatewayFault.INVALID_API_KEY, "")
        if b"origin" in values or values.get(b"sec-fetch-site", b"none") != b"none":
            return _refuse(GatewayFault.FROM_WEB_PAGE, "")
        return await _release(request, coordinator, tenant)

    @app.exception_handler(HTTPStatus.METHOD_NOT_ALLOWED)
    async def wrong_method(request: Request, error: Exception) -> Response:
        """Answer a request with a wrong method. The router raises no other error, because only known paths reach it."""
        allow = (cast("HTTPException", error).headers or {}).get("Allow", "")
        return _refuse(GatewayFault.WRONG_METHOD, f"{request.method} {request.url.path}", allow=(allow,))

    _add_page(app)
    return app


async def _release(request: Request, coordinator: Coordinator, tenant: Tenant) -> Response:
    try:
        declared = request.headers.get("content-length")
        received = await read_body(parts_over_asgi(request.receive), declared=declared, limit=MAX_BODY_BYTES)
        body = _SESSION_NAMES.read(received)
    except BodyTooLarge:
        return _refuse(GatewayFault.BODY_TOO_LARGE, f"the limit is {MAX_BODY_BYTES} bytes here")
    except ClientGone:
        return Response()
    if isinstance(body, BodyFault):
        return _refuse(body.fault, body.detail)
    for name, value in body.fields.items():
        if (key := session_key(value)) is not None:
            session = scoped(tenant.name, key)
            return JSONResponse({name: key, "released": coordinator.apply(EndSession(key=session))})
    message = 'The body names no session. Send {"session_id": "..."} or {"program_id": "..."}.'
    return Response(error_body(400, "no_session", message, param="session_id"), 400, media_type="application/json")


def _engine_detail(monitor: EngineMonitor) -> dict[str, object]:
    decision = monitor.last_decision
    return {
        "engine": monitor.engine,
        "reachable": monitor.is_up and monitor.has_answered,
        "circuit": monitor.circuit.state.value,
        "kind": monitor.kind,
        "signals": "stale" if monitor.is_stale else "fresh",
        "signal_age_s": round(monitor.signal_age_s, 3),
        "problem": monitor.failure,
        "window": monitor.governor.window if monitor.governor.window != float("inf") else None,
        "decision": None if decision is None else {"kind": decision.kind.value, "reason": decision.reason},
    }


def _refuse(fault: GatewayFault, detail: str, *, allow: tuple[str, ...] = ()) -> Response:
    answer = error_answer(fault, ApiShape.OPENAI, detail=detail, allow=allow)
    response = Response(answer.body, answer.status)
    response.raw_headers = answer.headers
    return response


def _add_page(app: FastAPI) -> None:
    """Serve the live page. Its files contain no data of this gateway, so they need no key."""

    async def redirect() -> Response:
        return RedirectResponse(PAGE_PATH.removeprefix("/"))  # relative, because the gateway may be under a path

    app.add_api_route("/concur", redirect, methods=["GET"], include_in_schema=False)
    for path, (name, content_type) in PAGE_FILES.items():
        content = files("concur_proxy.admin").joinpath("page", name).read_bytes()
        app.add_api_route(path, _page_file(content, content_type), methods=["GET"], include_in_schema=False)


def _page_file(content: bytes, content_type: str) -> Callable[[], Awaitable[Response]]:
    async def serve() -> Response:
        return Response(content, headers={**_PAGE_HEADERS, "content-type": content_type})

    return serve
