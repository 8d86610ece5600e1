"""Reads the client keys when the gateway starts, when their file changes, and on SIGHUP."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from pathlib import Path

from concur_proxy.control.faults import problems_of
from concur_proxy.monitoring.loop import LoopGuard
from concur_proxy.recognition.tenants import Tenant
from concur_proxy.settings.client_keys import read_client_keys

logger = logging.getLogger(__name__)

POLL_S = 1.0


class ClientKeyFile:
    """The file of client keys. If its new content is wrong, the old keys stay valid."""

    def __init__(self, path: Path, use: Callable[[Mapping[bytes, Tenant]], None]) -> None:
        """Read the file and call `use` with the keys. Raises `ValueError` if the file cannot be used."""
        self._path = path
        self._use = use
        self._seen = self._stamp()
        use(read_client_keys(path))

    def reload(self) -> None:
        """Read the file again."""
        self._seen = self._stamp()
        try:
            keys = read_client_keys(self._path)
        except ValueError as error:
            for problem in problems_of(error):
                logger.error("client keys not reloaded, the old ones stay valid: %s: %s", self._path, problem)  # noqa: TRY400 - one line is enough
            return
        self._use(keys)
        logger.info("%d client keys are valid now", len(keys))

    async def run(self) -> None:
        """Watch the file until cancelled."""
        guard = LoopGuard("reloading the client keys")
        while True:
            await asyncio.sleep(POLL_S)
            await guard.attempt(self._reload_if_changed)

    async def _reload_if_changed(self) -> None:
        if self._stamp() != self._seen:
            self.reload()

    def _stamp(self) -> tuple[int, int, int] | None:
        """Changes when the file is written, and when another file takes its place, as with Kubernetes mounts."""
        try:
            state = self._path.stat()
        except OSError:
            return None
        return state.st_mtime_ns, state.st_size, state.st_ino
