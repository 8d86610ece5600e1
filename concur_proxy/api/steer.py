"""The admin API under `/concur/v1/`: how the gateway stands, and what a person can do about it."""

import logging
import math
from collections.abc import Callable
from typing import TypeVar

from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from concur_proxy.admission.steering import Steering
from concur_proxy.api.access import error, refusal
from concur_proxy.api.messages import BodyTooLarge, ClientGone, read_body
from concur_proxy.api.pool import EnginePool
from concur_proxy.api.state import gateway_state
from concur_proxy.control.law import Budget
from concur_proxy.runtime.monitor import EngineMonitor
from concur_proxy.stores.role import Role
from concur_proxy.stores.store import SessionStore

logger = logging.getLogger(__name__)

STATE_PATH = "/concur/v1/state"
SESSIONS_PATH = "/concur/v1/sessions"
WINDOW_PATH = "/concur/v1/window"
LAW_PATH = "/concur/v1/law"
OPENAPI_PATH = "/concur/v1/openapi.json"
STEER_PATHS = frozenset(
    {
        STATE_PATH,
        SESSIONS_PATH,
        WINDOW_PATH,
        LAW_PATH,
        OPENAPI_PATH,
        *(f"{SESSIONS_PATH}/{way.value}" for way in Steering),
    }
)
MAX_BODY_BYTES = 64 * 1024


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class NamedSession(_Body):
    """A session."""

    session_id: str = Field(min_length=1)


class NamedEngine(_Body):
    """An engine, by its name as `GET /concur/v1/state` tells it."""

    engine: str = Field(min_length=1)


class Window(NamedEngine):
    """A window that is to stay. Without either number the present one does."""

    sessions: float | None = Field(None, ge=1, description="How many sessions may be active; none: any number")
    tokens: float | None = Field(None, gt=0, description="What their caches may fill; none: anything")


class Law(NamedEngine):
    """A control law and its options."""

    law: str = Field(min_length=1)
    options: dict[str, bool | int | float | str] = Field(default_factory=dict)


BodyKind = TypeVar("BodyKind", bound=_Body)


class AdminApi:
    """The routes, for callers that `access.refusal` lets pass."""

    def __init__(
        self, pool: EnginePool, store: SessionStore, *, admin_key: str | None, clock: Callable[[], float], mode: str
    ) -> None:
        self._pool = pool
        self._store = store
        self._admin_key = admin_key
        self._clock = clock
        self._mode = mode

    def add_routes(self, app: FastAPI) -> None:
        """Put the routes into the application."""
        app.add_api_route(STATE_PATH, self.state, methods=["GET"], summary="How everything stands")
        app.add_api_route(SESSIONS_PATH, self.sessions, methods=["GET"], summary="List sessions, or read one")
        for steering in Steering:
            app.add_api_route(
                f"{SESSIONS_PATH}/{steering.value}",
                self._steering(steering),
                methods=["POST"],
                operation_id=steering.value,
                summary=f"{steering.value.capitalize()} a session",
                openapi_extra=_takes(NamedSession),
            )
        for path, handler, method, body in (
            (WINDOW_PATH, self.set_window, "PUT", Window),
            (WINDOW_PATH, self.release_window, "DELETE", NamedEngine),
            (LAW_PATH, self.set_law, "PUT", Law),
        ):
            app.add_api_route(path, handler, methods=[method], summary=handler.__doc__, openapi_extra=_takes(body))

        async def openapi(request: Request) -> Response:
            """This description."""
            return refusal(request, self._admin_key) or JSONResponse(app.openapi())

        app.add_api_route(OPENAPI_PATH, openapi, methods=["GET"])

    async def state(self, request: Request) -> Response:
        """Engines, sessions (200 at most) and recent decisions."""
        return refusal(request, self._admin_key) or JSONResponse(self._state())

    async def sessions(self, request: Request) -> Response:
        """Sessions, 200 at most; with `?session_id=` that one."""
        refused = refusal(request, self._admin_key) or self._follows()
        if refused is not None:
            return refused
        named = request.query_params.get("session_id")
        limit = 200 if named is None else sum(len(gate.sessions) for gate in self._store.gates.values())
        state = gateway_state(self._pool, self._store, clock=self._clock, mode=self._mode, sessions=limit)
        rows = [row for row in state["sessions"] if named in {None, row["session_id"]}]
        if named is not None and not rows:
            return _no_session(named)
        return JSONResponse({"total": state["sessions_total"], "sessions": rows})

    def _steering(self, steering: Steering) -> Callable[[Request], object]:
        async def steer(request: Request) -> Response:
            named = await self._read(request, NamedSession)
            if isinstance(named, Response):
                return named
            if not self._store.steer(named.session_id, steering):
                return _no_session(named.session_id)
            logger.info("session %r: %s, by hand", named.session_id, steering.value)
            return JSONResponse({"session_id": named.session_id, "done": steering.value})

        return steer

    async def set_window(self, request: Request) -> Response:
        """Keep a window until it is released."""
        wanted = await self._read(request, Window)
        if isinstance(wanted, Response):
            return wanted
        monitor = self._engine(wanted.engine)
        if isinstance(monitor, Response):
            return monitor
        if wanted.sessions is None and wanted.tokens is None:
            monitor.set_window(monitor.governor.window, monitor.governor.budget)
        else:
            budget = None if wanted.tokens is None else Budget(tokens=wanted.tokens)
            monitor.set_window(math.inf if wanted.sessions is None else wanted.sessions, budget)
        logger.info("engine %s: window set by hand", wanted.engine)
        return self._of(wanted.engine)

    async def release_window(self, request: Request) -> Response:
        """Let the law move the window again."""
        named = await self._read(request, NamedEngine)
        monitor = named if isinstance(named, Response) else self._engine(named.engine)
        if isinstance(monitor, Response) or isinstance(named, Response):
            return monitor if isinstance(monitor, Response) else JSONResponse({})
        monitor.release_window()
        logger.info("engine %s: window released", named.engine)
        return self._of(named.engine)

    async def set_law(self, request: Request) -> Response:
        """Let another law move the window."""
        wanted = await self._read(request, Law)
        if isinstance(wanted, Response):
            return wanted
        monitor = self._engine(wanted.engine)
        if isinstance(monitor, Response):
            return monitor
        try:
            self._pool.set_law(wanted.engine, wanted.law, wanted.options)
        except ValueError as problem:
            return error(400, "wrong_law", f"{problem}.", param="law")
        return self._of(wanted.engine)

    def _follows(self) -> Response | None:
        """Why this process can neither tell nor do it, where another one decides."""
        if self._store.role is not Role.FOLLOWING:
            return None
        leader = self._store.leader or "there is none yet"
        return error(409, "not_leading", f"This replica follows; ask the one that leads: {leader}.")

    def _state(self) -> dict[str, object]:
        return gateway_state(self._pool, self._store, clock=self._clock, mode=self._mode)

    def _of(self, engine: str) -> Response:
        state = gateway_state(self._pool, self._store, clock=self._clock, mode=self._mode, sessions=0)
        return JSONResponse(next(row for row in state["engines"] if row["engine"] == engine))

    def _engine(self, name: str) -> EngineMonitor | Response:
        """The engine's monitor, where this process moves its window."""
        if (follows := self._follows()) is not None:
            return follows
        monitor = self._pool.monitors.get(name)
        if monitor is None or name not in self._store.gates:
            known = ", ".join(self._pool.monitors)
            return error(404, "no_engine", f"There is no engine {name[:200]}; there are {known}.", param="engine")
        return monitor

    async def _read(self, request: Request, kind: type[BodyKind]) -> BodyKind | Response:
        refused = refusal(request, self._admin_key)
        if refused is not None:
            return refused
        try:
            body = await read_body(request.receive, request.headers.raw, limit=MAX_BODY_BYTES)
            return kind.model_validate_json(body)
        except BodyTooLarge:
            return error(413, "body_too_large", f"The limit is {MAX_BODY_BYTES} bytes here.")
        except ClientGone:
            return Response()
        except ValidationError as problem:
            first = problem.errors()[0]
            where = ".".join(map(str, first["loc"]))
            return error(400, "wrong_body", f"{where or 'body'}: {first['msg']}.", param=where or None)


def _no_session(key: str) -> Response:
    return error(404, "no_session", f"There is no session {key[:200]!r}.", param="session_id")


def _takes(kind: type[BaseModel]) -> dict[str, object]:
    schema = kind.model_json_schema()
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}
