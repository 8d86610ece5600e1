"""Reads the settings again when their file changes and on SIGHUP, and applies them while the gateway runs."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from concur_proxy.monitoring.loop import LoopGuard
from concur_proxy.settings.gateway import GatewaySettings

logger = logging.getLogger(__name__)

POLL_S = 1.0
RELOADABLE = frozenset(
    {
        *("engine", "law", "law_options", "mode", "max_hold_s", "keepalive_comments_s", "keepalive_chunks"),
        *("ask_usage", "tell_clients"),
        *("max_body_bytes", "max_buffered_bytes", "max_buffered_bytes_per_tenant", "max_header_bytes"),
        *("max_connections_per_tenant", "log_level", "log_requests", "hash_sessions"),
    }
)
"""Settings that take effect at once. All others take effect at the next start."""

Load = Callable[[], GatewaySettings | Sequence[str]]
"""Reads all settings again. Returns them, or one line for each problem."""


class SettingsReloader:
    """Applies new settings if all of them are correct. Otherwise the old ones stay in force."""

    def __init__(self, settings: GatewaySettings, load: Load, apply: Callable[[GatewaySettings], None]) -> None:
        """`apply` applies all settings, or raises `ValueError` and applies none."""
        self._settings = settings
        self._load = load
        self._apply = apply
        self._seen = self._stamp()

    def reload(self) -> None:
        """Read and apply the settings; log what is wrong."""
        loaded = self._load()
        if not isinstance(loaded, GatewaySettings):
            for problem in loaded:
                logger.error("settings not reloaded, the old ones stay in force: %s", problem)
            return
        try:
            self._apply(loaded)
        except ValueError as error:
            logger.error("settings not reloaded, the old ones stay in force: %s", error)  # noqa: TRY400 - one line is enough
            return
        changed = [
            name for name in GatewaySettings.model_fields if getattr(loaded, name) != getattr(self._settings, name)
        ]
        for name in changed:
            effect = "takes effect now" if name in RELOADABLE else "takes effect at the next start"
            logger.info("settings reloaded: %s changed and %s", name, effect)
        self._settings = loaded

    async def run(self) -> None:
        """Watch the file until cancelled."""
        guard = LoopGuard("reloading the settings")
        while True:
            await asyncio.sleep(POLL_S)
            await guard.attempt(self._reload_if_changed)

    async def _reload_if_changed(self) -> None:
        stamp = self._stamp()
        if stamp != self._seen:
            self._seen = stamp
            self.reload()

    def _stamp(self) -> tuple[int, int, int] | None:
        """Changes when the file is written, and when another file takes its place, as with Kubernetes mounts."""
        if self._settings.config is None:
            return None
        try:
            state = Path(self._settings.config).stat()
        except OSError:
            return None
        return state.st_mtime_ns, state.st_size, state.st_ino
