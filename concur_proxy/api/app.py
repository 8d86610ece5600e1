"""The composition root: builds every part from the settings, and is the ASGI application."""

import asyncio
import os
import secrets
import socket
import time
from collections.abc import Callable, Mapping
from itertools import groupby

import httpx
from prometheus_client import GC_COLLECTOR, PLATFORM_COLLECTOR, PROCESS_COLLECTOR, CollectorRegistry

from concur_proxy import plugins
from concur_proxy.admission.fleet import Fleet
from concur_proxy.admission.gate import SessionGate
from concur_proxy.admission.lease import FixedLease, LearnedLease, Lease
from concur_proxy.admission.numbers import Numbers
from concur_proxy.admission.state import GateOptions
from concur_proxy.api.admin import ADMIN_PATHS, build_admin
from concur_proxy.api.messages import Receive, Scope, Send
from concur_proxy.api.parts import GatewayParts, RelayOptions, RequestReaders
from concur_proxy.api.relay import Relay
from concur_proxy.control.governor import GovernorOptions, WindowGovernor
from concur_proxy.control.law import ControlLaw
from concur_proxy.runtime.admitter import Admitter
from concur_proxy.runtime.monitor import EngineMonitor
from concur_proxy.runtime.upstream import Upstream
from concur_proxy.runtime.watch import ServerWatch
from concur_proxy.settings import GatewaySettings
from concur_proxy.stores.store import SessionStore, StoreParts
from concur_proxy.telemetry.fleet import FleetCollector
from concur_proxy.telemetry.recorder import TraceRecorder
from concur_proxy.telemetry.requests import RequestMetrics

Clock = Callable[[], float]

USER_AGENT = "concur-proxy"
"""By which engines' logs tell the gateway's own questions from its clients'."""


class GatewayApp:
    """One gateway. The ASGI server calls it for every request and for its lifespan."""

    def __init__(self, settings: GatewaySettings, clock: Clock = time.monotonic) -> None:
        self.settings = settings
        self._clock = clock
        self._draining = False
        self._background: asyncio.Task[None] | None = None
        self.monitors: list[EngineMonitor] = []
        places = {address.name: address for address in settings.addresses}
        laws = {engine: _make_law(settings) for engine in places}

        def make_gate(engine: str, numbers: Numbers) -> SessionGate:
            law = laws[engine]
            options = GateOptions(
                max_waiting_sessions=settings.max_waiting_sessions,
                session_ttl_s=settings.session_ttl_s,
                work_conserving=settings.work_conserving,
                enforcing=law.enforces,
            )
            return SessionGate(
                options=options, lease=_make_lease(settings), window=law.window, engine=engine, numbers=numbers
            )

        def make_fleet(after: int) -> Fleet:
            return Fleet(
                engines=list(places),
                make_gate=make_gate,
                placement=plugins.load("concur_proxy.admission.placements", settings.placement).build(),
                move_after_s=settings.move_after_s,
                after=after,
            )

        parts = StoreParts(
            make_fleet=make_fleet,
            clock=clock,
            url=settings.redis_url,
            prefix=settings.redis_prefix,
            replica=f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}",
            law_states=lambda: {monitor.engine: monitor.governor.save() for monitor in self.monitors},
        )
        store: SessionStore = plugins.load("concur_proxy.stores.backends", settings.store).build(parts)
        store.on_role(self._on_role)
        store.on_overload(self._on_overload)
        governor_options = GovernorOptions(
            stale_after_s=settings.stale_after_s,
            fail_open_after_s=settings.fail_open_after_s,
            fallback_window=settings.fallback_window,
        )
        self.monitors = [
            EngineMonitor(
                engine=engine,
                address=places[engine],
                store=store,
                governor=WindowGovernor(law=law, options=governor_options, now=clock()),
                clock=clock,
            )
            for engine, law in laws.items()
        ]
        self.store = store
        self._admitter = Admitter(store, clock)
        self._upstream = Upstream(connect_timeout_s=settings.connect_timeout_s)
        self._recorder = None if settings.record is None else TraceRecorder(settings.record, clock)
        registry = CollectorRegistry()
        for collector in (PROCESS_COLLECTOR, PLATFORM_COLLECTOR, GC_COLLECTOR, FleetCollector(store, self.monitors)):
            registry.register(collector)
        self._relay = Relay(
            GatewayParts(
                options=RelayOptions.of(settings),
                readers=RequestReaders.of(settings),
                admitter=self._admitter,
                store=store,
                monitors={monitor.engine: monitor for monitor in self.monitors},
                upstream=self._upstream,
                metrics=RequestMetrics(registry),
                clock=clock,
                recorder=self._recorder,
            )
        )
        self._admin = build_admin(
            admitter=self._admitter,
            monitors=self.monitors,
            registry=registry,
            is_draining=lambda: self._draining,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, or the lifespan."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["path"] in ADMIN_PATHS:
            await self._admin(scope, receive, send)
        else:
            await self._relay(scope, receive, send)

    def _on_role(self, leads: bool, law_states: Mapping[str, Mapping[str, float]]) -> None:  # noqa: FBT001 - a callback
        if leads:
            for monitor in self.monitors:
                monitor.resume(law_states.get(monitor.engine, {}))

    def _on_overload(self, engine: str) -> None:
        for monitor in self.monitors:
            if monitor.engine == engine:
                monitor.on_overload()

    def drain(self) -> None:
        """Refuse what is held and what comes; what is in flight goes on."""
        self._draining = True
        self.store.drain()

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        await self.store.start()
        self._background = asyncio.create_task(self._watch())
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self._background.cancel()
        await asyncio.gather(self._background, return_exceptions=True)
        await self.store.stop()
        self._admitter.close()
        await self._upstream.close()
        if self._recorder is not None:
            self._recorder.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _watch(self) -> None:
        settings = self.settings
        uses_tls = any(engine.startswith("https:") for engine in settings.engine)  # certificates take 0.1 s to read
        async with (
            httpx.AsyncClient(trust_env=False, verify=uses_tls, headers={"user-agent": USER_AGENT}) as client,
            asyncio.TaskGroup() as group,
        ):
            servers = groupby(self.monitors, key=lambda monitor: monitor.address.url)
            for monitors in [list(group) for _, group in servers]:
                watch = ServerWatch(
                    monitors,
                    client,
                    scrape_interval_s=settings.scrape_interval_s,
                    scrape_timeout_s=settings.scrape_timeout_s,
                    health_interval_s=settings.health_interval_s,
                    clock=self._clock,
                )
                group.create_task(watch.run())


def _make_law(settings: GatewaySettings) -> ControlLaw:
    law: ControlLaw = plugins.load("concur_proxy.control.laws", settings.law).build(settings.law_options)
    return law


def _make_lease(settings: GatewaySettings) -> Lease:
    return LearnedLease() if settings.idle_lease == "auto" else FixedLease(float(settings.idle_lease))
