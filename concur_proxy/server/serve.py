"""Runs the gateway as a process."""

import asyncio
import logging
import signal
import socket
import sys
from types import FrameType

import uvicorn

from concur_proxy.server.app import GatewayApp
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
        if self.started:
            port = (sockets or self.servers[0].sockets)[0].getsockname()[1]
            print(f"concur-proxy listens on http://{self.config.host}:{port}", flush=True)  # noqa: T201 - for scripts


def run(settings: GatewaySettings, load: Load, listening: socket.socket | None = None) -> None:
    """Serve until SIGTERM or SIGINT; answers in flight then have `drain_timeout_s` to end.

    `load` reads the settings again on SIGHUP. `listening` is a socket to serve on instead of the settings' address.
    """
    signal.signal(signal.SIGTERM, _stop)
    configure_logging(level=settings.log_level, style=settings.log_format)
    app = GatewayApp(settings, load=load)
    config = server_config(app, settings)
    server = _Server(config, app)
    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(server.serve(None if listening is None else [listening]))
    if not server.started:
        sys.exit(1)


def _stop(sig: int, frame: FrameType | None) -> None:  # noqa: ARG001 - a signal handler's arguments
    """Handle SIGTERM before uvicorn does, and when uvicorn raises it again after the drain."""
    sys.exit(0)


def server_config(app: GatewayApp, settings: GatewaySettings) -> uvicorn.Config:
    """uvicorn's configuration: it adds nothing to answers, logs no requests and serves no WebSockets."""
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        http=GatewayProtocol,
        ws="none",
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        timeout_keep_alive=75,  # longer than the SDKs keep a connection, so that the client closes it
        timeout_graceful_shutdown=max(1, round(settings.drain_timeout_s)),
    )
