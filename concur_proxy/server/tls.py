"""The certificate of the gateway's own server. It is read again when a file changes; no connection is dropped."""

import asyncio
import logging
import ssl
from pathlib import Path
from typing import Any, Self

from concur_proxy.settings.gateway import GatewaySettings
from concur_proxy.upstream.tls import TlsFileError, server_context

logger = logging.getLogger(__name__)

POLL_S = 1.0


class ServerTls(ssl.SSLContext):
    """A context whose new connections use the newest files. A server keeps this one object as long as it runs."""

    _files: tuple[Path | None, Path | None, Path | None]
    _current: ssl.SSLContext

    def __new__(cls, certificate: Path, key: Path | None, client_authorities: Path | None) -> Self:
        """Raises `TlsFileError`."""
        self = super().__new__(cls, ssl.PROTOCOL_TLS_SERVER)
        self._files = (certificate, key, client_authorities)
        self._current = server_context(certificate, key, client_authorities)
        return self

    @classmethod
    def of(cls, settings: GatewaySettings) -> Self | None:
        """The context for these settings, None without a certificate. Raises `TlsFileError`."""
        if settings.tls_cert is None:
            return None
        return cls(settings.tls_cert, settings.tls_key, settings.tls_client_ca)

    def wrap_bio(self, *arguments: Any, **options: Any) -> ssl.SSLObject:  # noqa: ANN401 - as the base class
        """Begin a connection. The event loops call nothing else."""
        return self._current.wrap_bio(*arguments, **options)

    def reload(self) -> bool:
        """Read the files. Returns whether they can be used; otherwise the previous ones stay in use."""
        certificate, key, client_authorities = self._files
        assert certificate is not None  # noqa: S101 - as given
        try:
            self._current = server_context(certificate, key, client_authorities)
        except TlsFileError as error:
            logger.error("%s: %s; the previous certificate stays in use", error.setting, error)  # noqa: TRY400 - no defect
            return False
        logger.info("certificate %s read again", certificate)
        return True

    async def run(self) -> None:
        """Watch the files until cancelled."""
        seen = self._stamps()
        while True:
            await asyncio.sleep(POLL_S)
            now = self._stamps()
            if now != seen:
                seen = now
                self.reload()

    def _stamps(self) -> list[tuple[int, int, int] | None]:
        """Changes when a file is written, and when another takes its place, as with Kubernetes mounts."""
        return [_stamp(file) for file in self._files if file is not None]


def _stamp(file: Path) -> tuple[int, int, int] | None:
    try:
        state = file.stat()
    except OSError:
        return None
    return state.st_mtime_ns, state.st_size, state.st_ino
