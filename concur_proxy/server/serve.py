"""Runs the gateway as a process."""

import asyncio
import logging
import signal
import socket
import sys
from collections.abc import Sequence
from functools import partial
from types import FrameType
from typing import cast

import uvicorn

from concur_proxy.server.app import GatewayApp
from concur_proxy.server.connections import ClientConnections, ClientLimits, raise_file_limit
from concur_proxy.server.listen import open_sockets, urls
from concur_proxy.server.protocol import GatewayProtocol
from concur_proxy.server.reload import Load
from concur_proxy.settings.gateway import GatewaySettings
from concur_proxy.telemetry.logs import configure_logging

logger = logging.getLogger(__name__)


class _Server(uvicorn.Server):
    """uvicorn that refuses waiting requests at the first signal. Otherwise it would wait for them before it stops."""

    def __init__(self, config: uvicorn.Config, app: GatewayApp) -> None:
        super().__init__(config)
        self._app = app
        self._loop: asyncio.AbstractEventLoop | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Handle SIGTERM or SIGINT."""
        if self._loop is not None:
            # not called directly, because the signal may have interrupted the gate in the middle of a change
            self._loop.call_soon_threadsafe(self._app.drain)
        super().handle_exit(sig, frame)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then print the address in one line on standard output."""
        self._loop = asyncio.get_running_loop()
        self._loop.add_signal_handler(signal.SIGHUP, self._app.reload)
        await super().startup(sockets)
        if self.started and sockets:
            for url in urls(self._app.settings.host, sockets[0].getsockname()[1]):
                print(f"concur-proxy listens on {url}", flush=True)  # noqa: T201 - for scripts


def run(settings: GatewaySettings, load: Load, listening: Sequence[socket.socket] = ()) -> None:
    """Serve until SIGTERM or SIGINT; answers in flight then have `drain_timeout_s` to end.

    `load` reads the settings again on SIGHUP. `listening` are sockets to serve on instead of the settings' addresses.
    """
    signal.signal(signal.SIGTERM, _stop)
    configure_logging(level=settings.log_level, style=settings.log_format)
    files = raise_file_limit()
    clients = ClientLimits.of(settings).max_connections
    logger.info("%d connections of clients at once are possible; the limit of open files is %d", clients, files)
    app = GatewayApp(settings, load=load)
    config = server_config(app, settings)
    server = _Server(config, app)
    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(server.serve(list(listening) or open_sockets(settings.host, settings.port)))
    if not server.started:
        sys.exit(1)


def _stop(sig: int, frame: FrameType | None) -> None:  # noqa: ARG001 - a signal handler's arguments
    """Handle SIGTERM before uvicorn does, and when uvicorn raises it again after the drain."""
    sys.exit(0)


def server_config(app: GatewayApp, settings: GatewaySettings) -> uvicorn.Config:
    """uvicorn's configuration: it adds nothing to answers, logs no requests and serves no WebSockets."""
    connections = ClientConnections(ClientLimits.of(settings))
    return uvicorn.Config(
        app,
        host=settings.host[0],
        port=settings.port,
        http=cast("type[asyncio.Protocol]", partial(GatewayProtocol, connections=connections)),
        ws="none",
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        timeout_keep_alive=settings.keep_alive_s,  # type: ignore[arg-type] # uvicorn only adds it to a time
        timeout_graceful_shutdown=max(1, round(settings.drain_timeout_s)),
    )
