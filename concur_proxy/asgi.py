"""The gateway within an ASGI application of your own, such as FastAPI's `app.mount("/llm", create_app(engine=URL))`."""

import asyncio
from types import TracebackType
from typing import Self
from urllib.parse import quote, unquote

from concur_proxy.cli.load import load_settings
from concur_proxy.relay.client import Receive, Scope, Send
from concur_proxy.server.app import GatewayApp
from concur_proxy.settings.gateway import GatewaySettings

__all__ = ["MountedGateway", "create_app"]


def create_app(settings: GatewaySettings | None = None, **keywords: object) -> "MountedGateway":
    """A gateway that another application can mount, or an ASGI server can serve.

    The settings are `settings`, or the `keywords`, such as `engine="http://127.0.0.1:8000"`. What the keywords do not
    set comes from `CONCUR_*` variables and the configuration file, as for `concur-proxy serve`. The settings of the
    gateway's own server have no effect: addresses, TLS, workers, and limits for connections of clients.

    Raises `concur_proxy.cli.load.SettingsError` if a setting is wrong, and `TypeError` if both kinds are given.
    """
    if settings is None:
        settings = load_settings(keywords)
    elif keywords:
        raise TypeError(f"give settings or keywords, not both: {', '.join(keywords)}")
    return MountedGateway(GatewayApp(settings))


class MountedGateway:
    """An ASGI application. It starts with the lifespan, with `async with`, or else with its first request."""

    def __init__(self, app: GatewayApp) -> None:
        self._app = app
        self._start: asyncio.Task[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or the lifespan if the outer application forwards it."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            await self._started()
            await self._app(_without_root_path(scope), receive, send)
        else:  # a WebSocket: refuse it with HTTP 403
            await receive()
            await send({"type": "websocket.close", "code": 1000, "reason": ""})

    async def __aenter__(self) -> Self:
        """Start to read the engines' metrics. Put this into the outer application's lifespan."""
        await self._started()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop, and close the connections to engines and Redis."""
        await self._app.stop()

    def drain(self) -> None:
        """Refuse waiting and new requests with HTTP 503, while answers in flight go on. Call it before the shutdown."""
        self._app.drain()

    async def _started(self) -> None:
        if self._start is None:
            self._start = asyncio.create_task(self._app.start())
        if not self._start.done():
            await asyncio.shield(self._start)  # the request that starts it may be cancelled

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        async with self:
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})


def _without_root_path(scope: Scope) -> Scope:
    """The scope as the gateway's own server would make it: without the path under which the gateway is mounted.

    `raw_path` is what the engine gets, and `path` is what is allowed or refused. So if they differ, `path` is used.
    """
    root = scope.get("root_path", "").rstrip("/")
    path: str = scope["path"]
    raw: bytes = scope.get("raw_path") or b""
    if root and path.startswith(f"{root}/"):
        path = path.removeprefix(root)
    if root and raw.startswith(quote(root).encode() + b"/"):
        raw = raw.removeprefix(quote(root).encode())
    if unquote(raw.decode("latin-1")) != path:
        raw = quote(path).encode()
    return {**scope, "path": path, "raw_path": raw, "root_path": ""}
