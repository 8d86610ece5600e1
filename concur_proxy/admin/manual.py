"""What operators set manually: engines, windows and control laws.

All gateways that share a store have the same settings. Every gateway applies them to its own engines.
"""

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


class ManualChanges:
    """Changes the manual settings in the gateway that decides, and applies them in every gateway.

    Followers apply them too, so that a new leader has nothing to catch up on.
    """

    def __init__(self, pool: EnginePool, coordinator: Coordinator) -> None:
        self._pool = pool
        self._coordinator = coordinator
        self._problem = ""
        pool.on_named = self._on_named

    def add(self, server: str) -> None:
        """Add a server. Raises `ValueError` if it contradicts one that is in use."""
        if server not in self._pool.servers:
            is_named = self._pool.is_named(server)
            self._set_servers(self._coordinator.manual.with_server(server, is_named=is_named))

    def remove(self, server: str) -> None:
        """Remove a server until it is added again. Raises `ValueError` for the last one."""
        is_named = self._pool.is_named(server)
        self._set_servers(self._coordinator.manual.without_server(server, _engines([server]), is_named=is_named))

    def set_window(self, engine: str, window: ManualWindow | None) -> None:
        """Keep this window; None lets the law move it again."""
        self._coordinator.set_manual(self._coordinator.manual.with_window(engine, window))

    def set_law(self, engine: str, name: str, options: Mapping[str, OptionValue]) -> None:
        """Use this law. Raises `ValueError` for an unknown law or an invalid option."""
        self._pool.laws.check(name, options)
        self._coordinator.set_manual(
            self._coordinator.manual.with_law(engine, ManualLaw(name=name, options=dict(options)))
        )

    def release_law(self, engine: str) -> None:
        """Use the law of the settings again."""
        self._coordinator.set_manual(self._coordinator.manual.with_law(engine, None))

    def _set_servers(self, manual: ManualSettings) -> None:
        self._pool.check_manual_servers(manual.added, manual.removed)
        self._coordinator.set_manual(manual)

    def _on_named(self, gone: Collection[str]) -> None:
        """Handle a change of the servers that the settings and DNS list. `gone` are no longer listed."""
        manual, engines = self._coordinator.manual, _engines(gone)
        # An address that returns later may belong to another engine.
        if self._coordinator.status.leads and manual.mentions(gone, engines):
            self._coordinator.set_manual(manual.forget(gone, engines))
        else:
            self.apply(manual)  # the settings may name an engine that is new here

    def apply(self, manual: ManualSettings) -> None:
        """Apply manual settings to this gateway's own engines, also those that another gateway received."""
        problem = ""
        try:
            self._pool.set_manual_servers(manual.added, manual.removed)
        except ValueError as error:  # this gateway's settings list other engines than the leader's settings
            problem = f"cannot apply engines that were added or removed manually: {error}"
        for engine, monitor in self._pool.monitors.items():
            try:
                self._apply_law(engine, manual.laws.get(engine))
            except ValueError as error:  # the law is a plug-in that only the leader has
                problem = f"engine {engine}: cannot apply a control law that was set manually: {error}"
            _apply_window(monitor, manual.windows.get(engine))
        if problem and problem != self._problem:
            logger.error(problem)
        self._problem = problem

    def _apply_law(self, engine: str, law: ManualLaw | None) -> None:
        chosen = self._pool.laws.chosen(engine)
        if law is None and chosen is not None:
            self._pool.release_law(engine)
        elif law is not None and chosen != (law.name, law.options):
            self._pool.set_law(engine, law.name, law.options)


def _apply_window(monitor: EngineMonitor, window: ManualWindow | None) -> None:
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
