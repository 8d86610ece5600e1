"""The gateway's own paths: health, readiness, metrics, and the end of sessions."""

from collections.abc import Callable, Collection
from http import HTTPStatus
from typing import cast

from fastapi import FastAPI, HTTPException, Response
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from starlette.requests import Request
from starlette.responses import JSONResponse

from concur_proxy.admin.access import error_body
from concur_proxy.admin.live_page import PAGE_PATHS
from concur_proxy.admin.routes import ADMIN_API_PATHS, MAX_BODY_BYTES
from concur_proxy.coordination.admitter import Admitter
from concur_proxy.coordination.store import SessionStore
from concur_proxy.monitoring.monitor import EngineMonitor
from concur_proxy.recognition.recogniser import session_key
from concur_proxy.relay.asgi import BodyTooLarge, ClientGone, read_body
from concur_proxy.wire.answer.errors import error_answer
from concur_proxy.wire.answer.fault import GatewayFault
from concur_proxy.wire.api_shape import ApiShape
from concur_proxy.wire.request.body import BodyFault, JsonBodyReader

_SESSION_NAMES = JsonBodyReader(("session_id", "program_id"))


def build_admin(
    *,
    admitter: Admitter,
    monitors: Collection[EngineMonitor],
    registry: CollectorRegistry,
    store: SessionStore,
    is_draining: Callable[[], bool],
) -> FastAPI:
    """The application behind `ADMIN_PATHS`."""
    app = FastAPI(title="concur-proxy", docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        """200 while the process lives."""
        return {"status": "ok"}

    @app.get("/readyz")
    async def readyz() -> JSONResponse:
        """200 while requests can be served; the body says how each engine and its signals stand."""
        engines = [_engine_detail(monitor) for monitor in monitors]
        reachable = any(detail["reachable"] for detail in engines)
        status = "draining" if is_draining() else "ready" if reachable else "no engine can be reached"
        kept = {"role": store.role.value, "replicas": store.replicas}
        return JSONResponse({"status": status, "store": kept, "engines": engines}, 200 if status == "ready" else 503)

    @app.get("/metrics")
    async def metrics(request: Request) -> Response:
        """Prometheus text, or OpenMetrics where the scraper asks for it."""
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(registry), headers={"content-type": content_type})

    @app.post("/concur/v1/sessions/release")
    @app.post("/programs/release")  # ThunderAgent's name for the same, so that its clients need no change
    async def release(request: Request) -> Response:
        """End a session: at once when it is idle, else with its last answer. One that is not known has ended before."""
        return await _release(request, admitter)

    @app.exception_handler(HTTPStatus.METHOD_NOT_ALLOWED)
    async def wrong_method(request: Request, error: Exception) -> Response:
        """The only error of the router: a path comes here because it is one of ours."""
        allow = (cast("HTTPException", error).headers or {}).get("Allow", "")
        return _refuse(GatewayFault.WRONG_METHOD, f"{request.method} {request.url.path}", allow=(allow,))

    return app


ADMIN_PATHS = frozenset(
    {"/healthz", "/readyz", "/metrics", "/concur/v1/sessions/release", "/programs/release"}
    | ADMIN_API_PATHS
    | PAGE_PATHS
)
"""Paths answered by the gateway itself, never by an engine."""


async def _release(request: Request, admitter: Admitter) -> Response:
    try:
        declared = request.headers.get("content-length")
        body = _SESSION_NAMES.read(await read_body(request.receive, declared=declared, limit=MAX_BODY_BYTES))
    except BodyTooLarge:
        return _refuse(GatewayFault.BODY_TOO_LARGE, f"the limit is {MAX_BODY_BYTES} bytes here")
    except ClientGone:
        return Response()
    if isinstance(body, BodyFault):
        return _refuse(body.fault, body.detail)
    for name, value in body.fields.items():
        if (key := session_key(value)) is not None:
            return JSONResponse({name: key, "released": admitter.end(key)})
    message = 'No session is named. Send {"session_id": "..."} or {"program_id": "..."}.'
    return Response(error_body(400, "no_session", message, param="session_id"), 400, media_type="application/json")


def _engine_detail(monitor: EngineMonitor) -> dict[str, object]:
    decision = monitor.last_decision
    return {
        "engine": monitor.engine,
        "reachable": monitor.is_up and monitor.has_answered,
        "circuit": monitor.circuit.state.value,
        "kind": monitor.dialect,
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
