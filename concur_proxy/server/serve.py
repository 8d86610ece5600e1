"""Runs the gateway as a process."""

import asyncio
import logging
import signal
import socket
import ssl
import sys
from contextlib import suppress
from functools import partial
from types import FrameType

import uvicorn

from concur_proxy.recognition.chain_builder import forget_messages
from concur_proxy.server.acceptor import TAKEN_BY_A_WORKER, TAKEN_PER_ROUND, Acceptor
from concur_proxy.server.app import GatewayApp
from concur_proxy.server.banner import Banner
from concur_proxy.server.connections import SPARE_FILES, ClientLimits, raise_file_limit
from concur_proxy.server.garbage import collect_all_at_times, collect_rarely
from concur_proxy.server.give_back import give_back_memory
from concur_proxy.server.listen import BACKLOG, Listening, listen
from concur_proxy.server.protocol import GatewayProtocol
from concur_proxy.server.reload import Load
from concur_proxy.server.serving import Serving
from concur_proxy.server.turnstile import Turnstile
from concur_proxy.server.worker_metrics import Mailbox
from concur_proxy.settings.gateway import GatewaySettings
from concur_proxy.telemetry.logs import configure_logging, silence_uvicorn

logger = logging.getLogger(__name__)

READ_ROUNDS = 5
"""Rounds of the event loop in which the requests of the last connections are read before the server stops."""
LAST_S = 2.0
"""How long the application may take to stop after a second Ctrl-C."""


class GatewayServer(uvicorn.Server):
    """uvicorn at the sockets of the main port and of the admin API.

    At the first signal it refuses waiting requests; otherwise it would wait for them before it stops. At a second
    Ctrl-C it cuts off the answers in flight.
    """

    def __init__(self, config: uvicorn.Config, app: GatewayApp, listening: Listening) -> None:
        super().__init__(config)
        self._app = app
        self._listening = listening
        self._loop: asyncio.AbstractEventLoop | None = None
        self._acceptors: list[Acceptor] = []
        self._serving = Serving(
            app=app,
            relay=app.relay,
            is_own=app.is_own,
            root=app.root,
            connections=app.connections,
            turnstile=Turnstile(),
            exits=Turnstile(),
            first=app.first_requests,
            keep_alive_s=app.settings.keep_alive_s,
            open=self.server_state.connections,
            served=self.server_state.tasks,
        )

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Handle SIGTERM or SIGINT."""
        if self._loop is not None:
            # not called directly, because the signal may have interrupted the gate in the middle of a change
            self._loop.call_soon_threadsafe(self._app.drain)
        super().handle_exit(sig, frame)
        if self.force_exit:
            silence_uvicorn()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop serving, then the application. uvicorn would not stop the application after a second Ctrl-C.

        Requests of connections that were accepted are answered: uvicorn closes a connection that has none.
        """
        for acceptor in self._acceptors:
            acceptor.close()
            await acceptor.wait_closed()
        for _ in range(READ_ROUNDS):
            await asyncio.sleep(0)
        self._app.connections.spare.keep(0)
        await super().shutdown(sockets)
        if self.force_exit:
            tasks = self.server_state.tasks
            logger.warning("interrupted twice: %d answers in flight are cut off", len(tasks))
            for task in tasks:
                task.cancel()
            with suppress(TimeoutError):
                await asyncio.wait_for(self.lifespan.shutdown(), LAST_S)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002 - has its own
        """Start the application, and serve at all sockets."""
        self._loop = asyncio.get_running_loop()
        self._app.connections.spare.keep(SPARE_FILES)
        await super().startup([])
        if not self.started:
            return
        for each in self._listening.main:
            await self._serve_at(each, is_admin=False, tls=self._app.tls)
        if self._listening.admin is not None:
            address = self._app.settings.admin_address
            is_local = address is None or address.is_local
            await self._serve_at(self._listening.admin, is_admin=True, tls=None if is_local else self._app.tls)
            self._app.access.admin_url = self._listening.admin_url

    async def _serve_at(self, listening: socket.socket, *, is_admin: bool, tls: ssl.SSLContext | None) -> None:
        loop, make = asyncio.get_running_loop(), partial(GatewayProtocol, self._serving, is_admin=is_admin)
        handshake_s = self._app.settings.head_timeout_s
        if is_admin:
            create = loop.create_unix_server if listening.family == socket.AF_UNIX else loop.create_server
            limit_s = None if tls is None else handshake_s
            self.servers.append(
                await create(make, sock=listening, ssl=tls, backlog=BACKLOG, ssl_handshake_timeout=limit_s)
            )
        else:
            self._acceptors.append(
                Acceptor(
                    listening,
                    make,
                    connections=self._app.connections,
                    first=self._app.first_requests,
                    tls=tls,
                    handshake_s=handshake_s,
                    taken_per_round=TAKEN_PER_ROUND if self._app.settings.workers == 1 else TAKEN_BY_A_WORKER,
                )
            )


class _Process(GatewayServer):
    """The server of a process of its own: it obeys SIGHUP, and prints the banner on standard output. A worker stops
    when its parent process has ended, however that happened.
    """

    def __init__(self, config: uvicorn.Config, app: GatewayApp, listening: Listening, mailbox: Mailbox | None) -> None:
        super().__init__(config, app, listening)
        self._mailbox = mailbox

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve, then print the banner."""
        await super().startup(sockets)
        if self.started:
            loop = asyncio.get_running_loop()
            loop.add_signal_handler(signal.SIGHUP, self._app.reload)
            if self._mailbox is not None:
                loop.add_reader(self._mailbox.parent, self._on_orphaned, loop, self._mailbox.parent)
            banner = Banner(
                settings=self._app.settings,
                listening=self._listening,
                scheme="http" if self._app.tls is None else "https",
                monitors=self._app.monitors,
            )
            self._banner = asyncio.create_task(banner.show())
            self._collecting = asyncio.create_task(collect_all_at_times(lambda: self._app.connections.is_busy))
            self._giving_back = asyncio.create_task(give_back_memory(self._serving, forget_messages))

    def _on_orphaned(self, loop: asyncio.AbstractEventLoop, parent: socket.socket) -> None:
        loop.remove_reader(parent)
        logger.error("the parent process has ended: this worker answers what is in flight, and stops")
        signal.raise_signal(signal.SIGTERM)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the tasks of this process, then the server."""
        self._banner.cancel()
        self._giving_back.cancel()
        self._collecting.cancel()
        await super().shutdown(sockets)


def run(
    settings: GatewaySettings, load: Load, listening: Listening | None = None, mailbox: Mailbox | None = None
) -> None:
    """Serve until SIGTERM or SIGINT; answers in flight then have `drain_timeout_s` to end.

    `load` reads the settings again on SIGHUP. `listening` are sockets to serve on instead of the settings' addresses.
    `mailbox` is this process's place among several workers.
    """
    signal.signal(signal.SIGTERM, _stop)
    configure_logging(level=settings.log_level, style=settings.log_format)
    files = raise_file_limit()
    clients = ClientLimits.of(settings).max_connections
    logger.info("%d connections of clients at once are possible; the limit of open files is %d", clients, files)
    app = GatewayApp(settings, load=load, mailbox=mailbox)
    config = server_config(app, settings)
    listening = listen(settings) if listening is None else listening
    server = _Process(config, app, listening, mailbox)
    collect_rarely()
    try:
        with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
            runner.run(server.serve())
    finally:
        listening.close()
    if not server.started:
        sys.exit(1)


def _stop(sig: int, frame: FrameType | None) -> None:  # noqa: ARG001 - a signal handler's arguments
    """Handle SIGTERM before uvicorn does, and when uvicorn raises it again after the drain."""
    sys.exit(0)


def server_config(app: GatewayApp, settings: GatewaySettings) -> uvicorn.Config:
    """uvicorn's configuration: it adds nothing to answers, logs no requests and serves no WebSockets."""
    return uvicorn.Config(
        app,
        host=settings.host[0],
        port=settings.port,
        http=GatewayProtocol,
        ws="none",
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=max(1, round(settings.drain_timeout_s)),
    )
