"""Settings that change while the gateway runs: read anew when their file changes, and at SIGHUP."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from concur_proxy.settings.gateway import GatewaySettings

logger = logging.getLogger(__name__)

POLL_S = 1.0
RELOADABLE = frozenset(
    {
        *("engine", "law", "law_options", "mode", "max_hold_s", "keepalive_comments_s", "ask_usage", "tell_clients"),
        *("max_body_bytes", "max_header_bytes", "log_level", "log_requests", "hash_sessions"),
    }
)
"""What takes effect at once; everything else does at the next start."""

Load = Callable[[], GatewaySettings | Sequence[str]]
"""Reads all settings anew, and returns them, or what is wrong with them in one line each."""


class SettingsReloader:
    """Applies new settings where all of them are right, and leaves the old ones in force where any is not."""

    def __init__(self, settings: GatewaySettings, load: Load, apply: Callable[[GatewaySettings], None]) -> None:
        """`apply` raises `ValueError` for what cannot be applied, and has then applied nothing."""
        self._settings = settings
        self._load = load
        self._apply = apply
        self._seen = self._stamp()

    def reload(self) -> None:
        """Read and apply; what is wrong is logged."""
        loaded = self._load()
        if not isinstance(loaded, GatewaySettings):
            for problem in loaded:
                logger.error("settings not reloaded, the old ones stay: %s", problem)
            return
        try:
            self._apply(loaded)
        except ValueError as error:
            logger.error("settings not reloaded, the old ones stay: %s", error)  # noqa: TRY400 - one line, no defect
            return
        changed = [
            name for name in GatewaySettings.model_fields if getattr(loaded, name) != getattr(self._settings, name)
        ]
        for name in changed:
            when = "from now on" if name in RELOADABLE else "changed, takes effect at the next start"
            logger.info("settings reloaded: %s %s", name, when)
        self._settings = loaded

    async def run(self) -> None:
        """Watch the file until cancelled."""
        while True:
            await asyncio.sleep(POLL_S)
            stamp = self._stamp()
            if stamp != self._seen:
                self._seen = stamp
                self.reload()

    def _stamp(self) -> tuple[int, int, int] | None:
        """Of the file's content: another when it was written, and when another file took its place, as mounts do."""
        if self._settings.config is None:
            return None
        try:
            state = Path(self._settings.config).stat()
        except OSError:
            return None
        return state.st_mtime_ns, state.st_size, state.st_ino
