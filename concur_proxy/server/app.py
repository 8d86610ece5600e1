"""The composition root. It builds every part from the settings, and is the ASGI application."""

import asyncio
import logging
import os
import secrets
import socket
import time
from collections.abc import Callable, Mapping

from concur_proxy import plugins
from concur_proxy.admin.access import AdminAccess, is_admin_socket
from concur_proxy.admin.api import AdminApi
from concur_proxy.admin.history import STEP_S
from concur_proxy.admin.own_paths import build_admin
from concur_proxy.admin.paths import OWN_PATHS, PROBED
from concur_proxy.admin.shortcuts import SHORTCUTS, shortcut
from concur_proxy.admission.changes import Drain
from concur_proxy.coordination.choice import coordinator_for
from concur_proxy.coordination.coordinator import CoordinatorParts, Listener
from concur_proxy.engines.kind import KnownKinds
from concur_proxy.monitoring.loop import Loop
from concur_proxy.monitoring.monitor import EngineMonitor
from concur_proxy.monitoring.named_servers import SETTINGS
from concur_proxy.monitoring.pool import EnginePool
from concur_proxy.recognition.tenants import Tenants
from concur_proxy.relay.asgi_client import AsgiClient
from concur_proxy.relay.client import Receive, Scope, Send
from concur_proxy.relay.parts import RelayOptions, RelayParts
from concur_proxy.relay.relay import Relay, serve_own
from concur_proxy.server.client_keys import ClientKeyFile
from concur_proxy.server.connections import ClientConnections, ClientLimits
from concur_proxy.server.reload import Load, SettingsReloader
from concur_proxy.server.root_path import RootPath
from concur_proxy.server.tls import ServerTls
from concur_proxy.server.worker_metrics import Mailbox, WorkerMetrics, own_metrics
from concur_proxy.settings.gateway import GatewaySettings
from concur_proxy.telemetry.holdings import HoldingsCollector
from concur_proxy.telemetry.plugin_failures import PluginFailuresCollector
from concur_proxy.telemetry.telemetry import Telemetry
from concur_proxy.upstream.client import Upstream
from concur_proxy.wire.request.endpoints import EndpointCatalogue

Clock = Callable[[], float]


class GatewayApp:
    """One gateway. The ASGI server calls it for each request and for the lifespan. The gateway's own server gives
    requests for engines to `relay` directly.
    """

    def __init__(
        self,
        settings: GatewaySettings,
        clock: Clock = time.monotonic,
        load: Load | None = None,
        mailbox: Mailbox | None = None,
    ) -> None:
        """`load` reads the settings again when they are reloaded. Without it they never change. `mailbox` is the place
        of this process among several workers.
        """
        self.settings = settings
        self._clock = clock
        self.root = RootPath(settings.root_path) if settings.root_path else None
        self._draining = False
        self.connections = ClientConnections(ClientLimits.of(settings))
        self.tls = ServerTls.of(settings)
        """For the main port; None for plain HTTP."""
        self._background: asyncio.Task[None] | None = None
        kinds = KnownKinds(plugins.load_engine_kinds(settings.engine_kinds))
        self._pool = pool = EnginePool(settings, kinds, clock)
        replica = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
        parts = CoordinatorParts(
            make_fleet=pool.make_fleet,
            clock=clock,
            url=settings.redis_url,
            prefix=settings.redis_prefix,
            replica=replica,
            law_states=lambda: {monitor.engine: monitor.governor.save() for monitor in self.monitors},
        )
        door = None if mailbox is None else mailbox.door
        self.coordinator = coordinator = coordinator_for(settings.store, parts, door)
        pool.open(coordinator)
        self._upstream = Upstream(
            connect_timeout_s=settings.connect_timeout_s,
            first_byte_timeout_s=settings.engine_first_byte_timeout_s,
            idle_timeout_s=settings.engine_idle_timeout_s,
            trust=pool.trust,
        )
        self._telemetry = Telemetry(settings, replica=replica, now=clock(), time=time.time())
        recognition = self._telemetry.watch(coordinator, pool.monitors.values())
        pool.on_forgotten = self._telemetry.forget
        header = settings.tenant_header
        self.tenants = Tenants(header=None if header is None else header.encode("latin-1"))
        keys_file = settings.client_keys_file
        self._client_keys = None if keys_file is None else ClientKeyFile(keys_file, self.tenants.use)
        self._catalogue = EndpointCatalogue(
            settings.endpoint_rules,
            [kind.paths for kind in kinds],
            [kind.paths for kind in plugins.own_engine_kinds()],
        )
        self.relay = Relay(
            RelayParts.of(
                settings,
                catalogue=self._catalogue,
                coordinator=coordinator,
                monitors=pool.monitors,
                upstream=self._upstream,
                events=self._telemetry.events,
                clock=clock,
                tenants=self.tenants,
            )
        )
        self._telemetry.registry.register(HoldingsCollector(self.relay.holdings, self.relay.buffered_limit))
        self._telemetry.registry.register(PluginFailuresCollector(pool.failures.counts))
        self.access = AdminAccess(
            admin_key=settings.admin_key,
            admin_listen=settings.admin_listen,
            private_metrics=settings.private_metrics,
            registry=self._telemetry.registry,
        )
        registry = self._telemetry.registry
        self._workers = None if mailbox is None else WorkerMetrics(mailbox, registry)
        self._admin = build_admin(
            monitors=pool.monitors.values(),
            metrics=own_metrics(registry) if self._workers is None else self._workers.collect,
            coordinator=coordinator,
            tenants=self.tenants,
            is_draining=lambda: self._draining,
        )
        self._api = AdminApi(
            pool=pool,
            coordinator=coordinator,
            clock=clock,
            replica=replica,
            laws=plugins.available(plugins.LAWS),
            recognition=recognition,
            shown=self.relay.shown,
        )
        self._api.add_to(self._admin, self.access)
        coordinator.listen(
            Listener(
                on_role=self._on_role,
                on_overload=self._on_overload,
                on_manual=self._api.manual.apply,
                on_call=self._api.operations.answer,
            )
        )
        self._reloader = None if load is None else SettingsReloader(settings, load, self._apply)

    @staticmethod
    def is_own(path: str) -> bool:
        """Whether the gateway may answer a request for this path itself."""
        return path in OWN_PATHS or path in SHORTCUTS

    @property
    def first_requests(self) -> tuple[bytes, ...]:
        """The beginnings of requests that do not wait for others: health checks and scrapes."""
        roots = {"", self.settings.root_path or ""}
        return tuple(
            f"{method} {root}{path} ".encode() for method in ("GET", "HEAD") for root in roots for path in PROBED
        )

    @property
    def monitors(self) -> list[EngineMonitor]:
        return list(self._pool.monitors.values())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        if self.root is not None:
            scope["path"], scope["raw_path"] = self.root.removed(scope["path"], scope["raw_path"])
        if scope["path"] in SHORTCUTS and (redirect := shortcut(scope, self.access, self._catalogue)) is not None:
            await serve_own(redirect, scope, receive, send)
        elif scope["path"] in OWN_PATHS or is_admin_socket(scope):
            await serve_own(self.access.misplaced(scope) or self._admin, scope, receive, send)
        else:
            await AsgiClient(scope, receive, send).serve(self.relay)

    def _on_role(self, leads: bool, law_states: Mapping[str, Mapping[str, float]]) -> None:  # noqa: FBT001 - a callback
        if leads:
            for monitor in self.monitors:
                if monitor.engine in self.coordinator.fleet.gates:  # the engine may have been removed
                    monitor.resume(law_states.get(monitor.engine, {}))

    def _on_overload(self, engine: str) -> None:
        if (monitor := self._pool.monitors.get(engine)) is not None:
            monitor.on_overload()

    def drain(self) -> None:
        """Refuse waiting and new requests. Answers in flight go on."""
        self._draining = True
        self.coordinator.apply(Drain())

    def reload(self) -> None:
        """Read the settings again, and apply those that can change while the gateway runs."""
        if self.tls is not None:
            self.tls.reload()
        if self._reloader is not None:
            self._reloader.reload()
        if self._client_keys is not None:
            self._client_keys.reload()

    def _apply(self, settings: GatewaySettings) -> None:
        self._pool.name_servers(SETTINGS, settings.engine)
        self._pool.reconfigure(settings)
        self.relay.reconfigure(RelayOptions.of(settings))
        self._telemetry.reconfigure(settings)
        logging.getLogger().setLevel(settings.log_level.upper())

    async def start(self) -> None:
        """Start the background tasks. The ASGI server does it in the lifespan."""
        await self.coordinator.start()
        self._background = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        """Stop the background tasks and close all connections to engines. Call it after the last request."""
        if self._background is not None:
            self._background.cancel()
            await asyncio.gather(self._background, return_exceptions=True)
        await self.coordinator.stop()
        await self._upstream.close()
        await self._telemetry.close()

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        await self.start()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.stop()
        await send({"type": "lifespan.shutdown.complete"})

    async def _watch(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._pool.run())
            history = Loop("the history", self._api.reader.record, interval_s=STEP_S, clock=self._clock)
            group.create_task(history.run())
            if self.tls is not None:
                group.create_task(self.tls.run())
            if self._reloader is not None:
                group.create_task(self._reloader.run())
            if self._client_keys is not None:
                group.create_task(self._client_keys.run())
            if self._workers is not None:
                group.create_task(self._workers.run())
