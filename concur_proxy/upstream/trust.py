"""Whose certificates are trusted. Everything that connects to a server over TLS uses this one place."""

import ssl
from functools import cached_property
from pathlib import Path


class Trust:
    """The trusted certificate authorities: those in `ca_file`, else the system's.

    `SSL_CERT_FILE` and `SSL_CERT_DIR` in the environment replace the system's.
    """

    def __init__(self, ca_file: Path | None = None) -> None:
        self._ca_file = ca_file

    @cached_property
    def context(self) -> ssl.SSLContext:
        """The context for connections, TLS 1.2 or later. It is made at the first use, because that takes 0.1 s.

        Raises `OSError` if the file cannot be read or contains no certificate.
        """
        context = ssl.create_default_context(cafile=self._ca_file)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return context

    def for_url(self, url: str) -> ssl.SSLContext | bool:
        """The value for `verify` of httpx. It is False for a URL without TLS, which needs no certificates."""
        return self.context if url.startswith("https:") else False


def tls_problem(error: OSError) -> str:
    """Why a file of certificates or keys cannot be used."""
    if isinstance(error, ssl.SSLError):
        return {
            "NO_CERTIFICATE_OR_CRL_FOUND": "contains no certificate in PEM format",
            "KEY_VALUES_MISMATCH": "the key does not belong to the certificate",
        }.get(error.reason or "", "contains no valid certificate or key in PEM format")
    return f"cannot be read: {error.strerror or error}"
