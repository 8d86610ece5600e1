"""Engines by HTTP: `POST` and `DELETE /concur/v1/engines`."""

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from concur_proxy.api.access import error, refusal
from concur_proxy.api.messages import BodyTooLarge, ClientGone, read_body
from concur_proxy.api.pool import EnginePool
from concur_proxy.setting_kinds import engine_server
from concur_proxy.wire.request_head import BodyFault, RequestHeadReader

ENGINES_PATH = "/concur/v1/engines"
MAX_BODY_BYTES = 64 * 1024
"""A request names one engine."""

_ENGINE = RequestHeadReader(("engine",))


def add_engine_routes(app: FastAPI, pool: EnginePool, admin_key: str | None) -> None:
    """Let callers with the key, or without one those of this machine, add engines and give them up."""

    @app.get(ENGINES_PATH)
    async def read(request: Request) -> Response:
        """The engines that there are."""
        return refusal(request, admin_key) or JSONResponse({"engines": pool.servers})

    @app.post(ENGINES_PATH)
    async def add(request: Request) -> Response:
        """Add the engine; one that there is already stays."""
        server = await _named_server(request, admin_key)
        if isinstance(server, Response):
            return server
        try:
            if server not in pool.servers:
                pool.add(server)
        except ValueError as problem:
            return _error(409, "conflict", str(problem))
        return JSONResponse({"engine": server, "engines": pool.servers})

    @app.delete(ENGINES_PATH)
    async def remove(request: Request) -> Response:
        """Give the engine up: its sessions move, and it is forgotten when nothing is in flight there."""
        server = await _named_server(request, admin_key)
        if isinstance(server, Response):
            return server
        try:
            if not pool.remove(server):
                return _error(404, "no_engine", f"There is no engine {server}; there are {', '.join(pool.servers)}.")
        except ValueError as problem:
            return _error(409, "last_engine", f"{problem}: add another one first.")
        return JSONResponse({"engine": server, "engines": pool.servers})


async def _named_server(request: Request, admin_key: str | None) -> str | Response:
    """The engine that a request names, or why it is refused."""
    refused = refusal(request, admin_key)
    if refused is not None:
        return refused
    try:
        head = _ENGINE.read(await read_body(request.receive, request.headers.raw, limit=MAX_BODY_BYTES))
    except BodyTooLarge:
        return _error(413, "body_too_large", f"The limit is {MAX_BODY_BYTES} bytes here.")
    except ClientGone:
        return Response()
    named = None if isinstance(head, BodyFault) else head.session_fields.get("engine")
    if not isinstance(named, str):
        return _error(400, "no_engine", 'No engine is named. Send {"engine": "http://host:8000"}.')
    try:
        return engine_server(named)
    except ValueError as problem:
        return _error(400, "no_engine", f"engine {named[:200]!r}: {problem}.")


def _error(status: int, code: str, message: str) -> Response:
    return error(status, code, message, param="engine")
