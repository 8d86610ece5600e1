"""What people set of engines, windows and laws: told to all gateways that are one, and brought about in each."""

import logging
import math
from collections.abc import Collection, Mapping

from concur_proxy.control.options import OptionValue
from concur_proxy.coordination.coordinator import Coordinator
from concur_proxy.coordination.protocol.manual import ManualLaw, ManualSettings, ManualWindow
from concur_proxy.engines.address import addresses
from concur_proxy.monitoring.monitor import EngineMonitor
from concur_proxy.monitoring.pool import EnginePool

logger = logging.getLogger(__name__)


class HandSettings:
    """Changes what operators have set, where it is decided, and follows it in every gateway.

    A gateway that leads one day has followed all along: it takes nothing over but the lead.
    """

    def __init__(self, pool: EnginePool, coordinator: Coordinator) -> None:
        self._pool = pool
        self._coordinator = coordinator
        self._problem = ""
        pool.on_named = self._on_named

    def add(self, server: str) -> None:
        """There is one more server; `ValueError` where it cannot be one."""
        if server not in self._pool.servers:
            is_named = self._pool.is_named(server)
            self._set_servers(self._coordinator.manual.with_server(server, is_named=is_named))

    def remove(self, server: str) -> None:
        """There is this server no more, until it is added again; `ValueError` for the last one."""
        is_named = self._pool.is_named(server)
        self._set_servers(self._coordinator.manual.without_server(server, _engines([server]), is_named=is_named))

    def set_window(self, engine: str, window: ManualWindow | None) -> None:
        """Keep this window; None: let the law move it again."""
        self._coordinator.set_manual(self._coordinator.manual.with_window(engine, window))

    def set_law(self, engine: str, name: str, options: Mapping[str, OptionValue]) -> None:
        """Let this law move the window; `ValueError` for what is no law, or no option of it."""
        self._pool.laws.check(name, options)
        self._coordinator.set_manual(
            self._coordinator.manual.with_law(engine, ManualLaw(name=name, options=dict(options)))
        )

    def release_law(self, engine: str) -> None:
        """Let the settings' law move the window again."""
        self._coordinator.set_manual(self._coordinator.manual.with_law(engine, None))

    def _set_servers(self, by_hand: ManualSettings) -> None:
        self._pool.check_by_hand(by_hand.added, by_hand.removed)
        self._coordinator.set_manual(by_hand)

    def _on_named(self, gone: Collection[str]) -> None:
        by_hand, engines = self._coordinator.manual, _engines(gone)
        if self._coordinator.status.leads and by_hand.mentions(
            gone, engines
        ):  # an address that comes back may be another engine
            self._coordinator.set_manual(by_hand.forget(gone, engines))
        else:
            self.follow(by_hand)  # there may be engines now of which it says something

    def follow(self, by_hand: ManualSettings) -> None:
        """Bring about here what operators have set here or at another gateway."""
        problem = ""
        try:
            self._pool.set_by_hand(by_hand.added, by_hand.removed)
        except ValueError as error:  # its own settings name other engines than the leader's
            problem = f"engines that were added or given up by hand are not followed: {error}"
        for engine, monitor in self._pool.monitors.items():
            try:
                self._follow_law(engine, by_hand.laws.get(engine))
            except ValueError as error:  # a plug-in that only the leader has
                problem = f"engine {engine}: a law that was set by hand is not followed: {error}"
            _follow_window(monitor, by_hand.windows.get(engine))
        if problem and problem != self._problem:
            logger.error(problem)
        self._problem = problem

    def _follow_law(self, engine: str, law: ManualLaw | None) -> None:
        chosen = self._pool.laws.chosen(engine)
        if law is None and chosen is not None:
            self._pool.release_law(engine)
        elif law is not None and chosen != (law.name, law.options):
            self._pool.set_law(engine, law.name, law.options)


def _follow_window(monitor: EngineMonitor, window: ManualWindow | None) -> None:
    governor = monitor.governor
    if window is None:
        if governor.is_manual:
            monitor.release_window()
        return
    sessions = math.inf if window.sessions is None else window.sessions
    if not governor.is_manual or (governor.window, governor.budget) != (sessions, window.budget):
        monitor.set_window(sessions, window.budget)


def _engines(servers: Collection[str]) -> list[str]:
    return [address.name for server in servers for address in addresses(server)]
