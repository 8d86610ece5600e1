"""The real gateway on its real server, in the event loop of the test."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx
import uvicorn

from concur_proxy.admission.snapshot import GateSnapshot
from concur_proxy.server.app import GatewayApp
from concur_proxy.server.listen import Listening, listen, urls
from concur_proxy.server.serve import GatewayServer, server_config
from concur_proxy.settings.gateway import GatewaySettings

_NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""An SSL context without certificates, because loading them takes 0.1 s."""


class _Server(GatewayServer):
    """A server that stops at once and does not wait for its next tick. This saves half a minute over all tests."""

    def __init__(self, config: uvicorn.Config, app: GatewayApp, listening: Listening) -> None:
        super().__init__(config, app, listening)
        self.stop = asyncio.Event()
        self.serves = False

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.serves = True

    async def main_loop(self) -> None:
        await self.on_tick(0)
        await self.stop.wait()


class RunningGateway:
    """A listening gateway, and what a test may look at."""

    def __init__(self, app: GatewayApp, url: str) -> None:
        self.app = app
        self.url = url
        self.client = httpx.AsyncClient(base_url=url, timeout=60, trust_env=False, verify=_NO_TLS)

    def snapshot(self, number: int = 0) -> GateSnapshot:
        """The gate of the engine with this index."""
        monitor = self.app.monitors[number]
        return self.app.coordinator.fleet.gates[monitor.engine].snapshot()

    async def until(self, condition: Callable[[], bool], what: str = "condition") -> None:
        """Wait until the condition is true; fails after 30 s. Use it only for what an event will bring about."""
        async with asyncio.timeout(30):
            while not condition():
                await asyncio.sleep(0.005)
        assert condition(), what

    async def settled(self, number: int = 0) -> None:
        """Wait until no request waits or is in flight at the engine with this index; fails after 30 s."""

        def is_settled() -> bool:
            now = self.snapshot(number)
            return now.in_flight == now.held == now.waiting == 0

        await self.until(is_settled, "nothing held or in flight")

    async def chat(self, session: str | None = None, **extra: object) -> httpx.Response:
        """Send a chat completion of this session."""
        headers = {} if session is None else {"x-session-id": session}
        body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], **extra}
        return await self.client.post("/v1/chat/completions", json=body, headers=headers)

    async def metric(self, name: str, **labels: str) -> float:
        """The value of one series of the gateway's metrics; 0 if it is absent."""
        wanted = set(labels.items())
        for line in (await self.client.get("/metrics")).text.splitlines():
            series, _, value = line.rpartition(" ")
            if series.partition("{")[0] == name and all(f'{key}="{text}"' in series for key, text in wanted):
                return float(value)
        return 0.0


@asynccontextmanager
async def running_gateway(*engines: str, **settings: object) -> AsyncIterator[RunningGateway]:
    """A gateway for these engines. It scrapes often, so that tests are quick. Its main port serves the admin API."""
    values: dict[str, object] = {"admin_listen": "main", "scrape_interval_s": 0.05, "stale_after_s": 5.0, **settings}
    app = GatewayApp(GatewaySettings(engine=engines, port=0, **values))  # type: ignore[arg-type]
    async with running_app(app) as gateway:
        yield gateway


@asynccontextmanager
async def running_app(app: GatewayApp) -> AsyncIterator[RunningGateway]:
    """Serve this application with the real server."""
    listening = listen(app.settings)
    server = _Server(server_config(app, app.settings), app, listening)
    serving = asyncio.create_task(server.serve())
    while not server.serves:
        assert not serving.done(), "the gateway did not start"
        await asyncio.sleep(0.005)
    scheme = "http" if app.tls is None else "https"
    gateway = RunningGateway(app, urls(["127.0.0.1"], listening.port, scheme)[0])
    try:
        yield gateway
    finally:
        await gateway.client.aclose()
        server.stop.set()
        await serving
        listening.close()
