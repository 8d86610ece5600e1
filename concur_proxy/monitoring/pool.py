"""The engines of the gateway. They can be added and removed while it runs."""

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial

from concur_proxy import plugins
from concur_proxy.admission.changes import AddEngine, Enforce, RetireEngine
from concur_proxy.admission.fleet import Fleet
from concur_proxy.admission.guarded import GuardedPlacement
from concur_proxy.admission.placement import Placement
from concur_proxy.control.governor import GovernorOptions, WindowGovernor
from concur_proxy.control.options import OptionValue
from concur_proxy.coordination.coordinator import Coordinator
from concur_proxy.engines.address import EngineAddress, addresses
from concur_proxy.engines.kind import KnownKinds
from concur_proxy.monitoring.engine_laws import EngineLaws
from concur_proxy.monitoring.gate_maker import GateMaker
from concur_proxy.monitoring.monitor import EngineMonitor
from concur_proxy.monitoring.name_watch import NameWatch
from concur_proxy.monitoring.named_servers import OPERATOR, SETTINGS, NamedServers
from concur_proxy.monitoring.own_clients import OwnClients
from concur_proxy.monitoring.plugin_failures import PluginFailures
from concur_proxy.monitoring.watch import ServerWatch
from concur_proxy.settings.gateway import GatewaySettings
from concur_proxy.upstream.tls import Trust

logger = logging.getLogger(__name__)

REAP_S = 0.2
"""Time between two checks whether a removed engine still has requests in flight."""


class EnginePool:
    """Each engine with its law, its monitor and its watch.

    A server is in the pool if a source names it: the settings, the addresses of a host name, or an operator. An
    operator can also remove a server that another source names.
    """

    def __init__(self, settings: GatewaySettings, kinds: KnownKinds, clock: Callable[[], float]) -> None:
        self.monitors: dict[str, EngineMonitor] = {}
        """By engine. Removed engines are included until their requests in flight have ended."""
        self.on_forgotten: Callable[[str], None] = lambda _: None
        """Called with each removed engine when its last request has ended."""
        self.on_named: Callable[[Collection[str]], None] = lambda _: None
        """Called when the settings or a host name name other servers, with those that no source names any longer."""
        self._settings = settings
        self._kinds = kinds
        self._clock = clock
        self.trust = Trust(settings.engine_ca_file)
        """For all connections to engines."""
        self.failures = PluginFailures()
        self.failures.expect(plugins.LAWS, settings.law)
        self.failures.expect(plugins.ORDERS, settings.order)
        self.failures.expect(plugins.PLACEMENTS, settings.placement)
        self.laws = EngineLaws(settings, self.failures)
        by_name = {url: (url,) for url in settings.engine_dns}  # one server until the name is resolved
        self._named = NamedServers(by_source={SETTINGS: settings.engine, **by_name})
        self._coordinator: Coordinator | None = None
        self._group: asyncio.TaskGroup | None = None
        self._watches: dict[str, asyncio.Task[None]] = {}
        self._clients = OwnClients(self.trust, engine_key=settings.engine_api_key)

    @property
    def servers(self) -> list[str]:
        """The servers in the pool, as their sources name them."""
        return self._named.servers

    def make_fleet(self, after: int) -> Fleet:
        """A fleet of these engines without sessions. The seniority numbers of new sessions follow `after`."""
        return Fleet(
            engines=self._named.engines,
            make_gate=GateMaker(self._settings, self.laws, self.failures),
            placement=self._placement(),
            move_after_s=self._settings.move_after_s,
            most_conversations=self._settings.max_conversations,
            after=after,
        )

    def _placement(self) -> Placement:
        name = self._settings.placement
        placement = plugins.build(plugins.PLACEMENTS, name)
        if plugins.is_own(plugins.PLACEMENTS, name):
            return placement
        instead = "the session is placed by `least-pressure`"
        return GuardedPlacement(placement, partial(self.failures.note, plugins.PLACEMENTS, name, instead))

    def open(self, coordinator: Coordinator) -> None:
        """Monitor the engines of this coordinator. Its fleet was made by `make_fleet`."""
        self._coordinator = coordinator
        for server in self.servers:
            self._monitor(addresses(server), coordinator)

    def is_named(self, server: str) -> bool:
        """Whether the settings or a host name name this server."""
        return self._named.is_named(server)

    @property
    def homes(self) -> dict[str, str]:
        """The server of each engine. Removed engines are not included."""
        return self._named.homes

    def name_servers(self, source: str, servers: Sequence[str]) -> None:
        """Set the servers that `source` names.

        A server that no source names any longer is removed: it gets no new requests, and those in flight may end.
        Raises `ValueError` if no server would be left or one is not valid; then nothing has changed.
        """
        before = self._named.by_source.get(source, ())
        self._change(self._named.with_source(source, servers))
        self.on_named([server for server in before if server not in self._named.all_named])

    def set_manual_servers(self, added: Sequence[str], removed: Collection[str]) -> None:
        """Set the servers that an operator has added and removed. Raises `ValueError` like `name_servers`."""
        if self._named.by_source.get(OPERATOR, ()) != tuple(added) or self._named.removed != frozenset(removed):
            self._change(self._named.with_manual(added, removed))

    def check_manual_servers(self, added: Sequence[str], removed: Collection[str]) -> None:
        """Raises `ValueError` if `set_manual_servers` would raise it."""
        self._named.with_manual(added, removed)

    def _change(self, named: NamedServers) -> None:
        before, self._named = self.servers, named
        assert self._coordinator is not None  # noqa: S101 - opened before anything changes
        for server in named.servers:
            if server not in before:
                self._add(server, self._coordinator)
        for server in before:
            if server not in named.servers:
                self._retire(server, self._coordinator, kept=named.engines)

    def set_law(self, engine: str, name: str, options: Mapping[str, OptionValue]) -> None:
        """Let another law move the window of this engine. Raises `ValueError` for an unknown law or a wrong option."""
        self.laws.choose(engine, name, options)
        self._follow_law(engine)

    def release_law(self, engine: str) -> None:
        """Let the law of the settings move the window of this engine again."""
        self.laws.release(engine)
        self._follow_law(engine)

    def reconfigure(self, settings: GatewaySettings) -> None:
        """Apply a changed law to the engines whose law no operator has chosen, and a changed mode to all."""
        followed = self.laws.reconfigure(settings)
        for engine in self.monitors:
            if engine in followed:
                self._follow_law(engine)
            else:
                self._enforce(engine)

    def _follow_law(self, engine: str) -> None:
        self.monitors[engine].follow(self.laws.of(engine))
        self._enforce(engine)
        logger.info("engine %s: law %s now moves its window", engine, self.laws.named(engine)[0])

    def _enforce(self, engine: str) -> None:
        assert self._coordinator is not None  # noqa: S101 - opened before anything changes
        self._coordinator.apply(Enforce(engine=engine, enforcing=self.laws.enforces(engine)))

    async def run(self) -> None:
        """Watch all engines until cancelled."""
        try:
            async with asyncio.TaskGroup() as self._group:
                for server in self.servers:
                    self._watch(server)
                for url in self._settings.engine_dns:
                    self._group.create_task(NameWatch(url, partial(self.name_servers, url)).run())
                while True:
                    await asyncio.sleep(REAP_S)
                    self._reap()
        finally:
            self._group = None
            await self._clients.aclose()

    def _add(self, server: str, coordinator: Coordinator) -> None:
        engines = addresses(server)
        for address in engines:
            coordinator.apply(AddEngine(engine=address.name))
        self._monitor(engines, coordinator)
        self._watch(server)
        logger.info("engine %s: added", server)

    def _retire(self, server: str, coordinator: Coordinator, *, kept: Sequence[str]) -> None:
        watch = self._watches.pop(server, None)
        if watch is not None:
            watch.cancel()
        for address in addresses(server):
            if address.name not in kept:
                coordinator.apply(RetireEngine(engine=address.name))
        logger.info("engine %s: removed; its requests in flight may end", server)

    def _reap(self) -> None:
        for engine in list(self.monitors):
            if self._coordinator is not None and not self._coordinator.needs(engine):
                del self.monitors[engine]
                self.laws.release(engine)
                self.on_forgotten(engine)
                logger.info("engine %s: its last request has ended", engine)

    def _monitor(self, engines: Sequence[EngineAddress], coordinator: Coordinator) -> None:
        settings, now = self._settings, self._clock()
        options = GovernorOptions(
            stale_after_s=settings.stale_after_s,
            fail_open_after_s=settings.fail_open_after_s,
            fallback_window=settings.fallback_window,
        )
        for address in engines:
            if address.name not in self.monitors:
                self.monitors[address.name] = EngineMonitor(
                    engine=address.name,
                    address=address,
                    coordinator=coordinator,
                    governor=WindowGovernor(
                        law=self.laws.of(address.name),
                        options=options,
                        now=now,
                        on_failure=partial(self.laws.note, address.name),
                    ),
                    clock=self._clock,
                    kinds=self._kinds,
                    capacity_tokens=self._capacity(address.url),
                    has_own_metrics=not settings.metrics_pages(address.url),
                )

    def _capacity(self, url: str) -> int | None:
        """The size that an operator has set for the cache of this server's engines, also by the name that it is
        behind.
        """
        return self._settings.capacity_of(url, *self._named.sources_of(url))

    def _watch(self, server: str) -> None:
        if self._group is None:
            return  # `run` will start it
        settings = self._settings
        monitors = [self.monitors[address.name] for address in addresses(server)]
        pages = settings.metrics_pages(monitors[0].address.url)
        watch = ServerWatch(
            monitors,
            self._clients.for_engine(server),
            kinds=self._kinds,
            scrape_interval_s=settings.scrape_interval_s,
            scrape_timeout_s=settings.scrape_timeout_s,
            health_interval_s=settings.health_interval_s,
            pages=[(page, self._clients.for_page(page.url)) for page in pages],
            clock=self._clock,
        )
        self._watches[server] = self._group.create_task(watch.run())
