"""TLS: whose certificates are trusted in connections to servers, and the certificate of the gateway itself."""

import ssl
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCertificate:
    """What a client shows to a server that wants to know it. The settings `tls_client_cert` and `tls_client_key`."""

    certificate: Path
    key: Path | None = None
    """None: it is in the same file."""

    def load(self, context: ssl.SSLContext) -> None:
        """Show it in connections of this context. Raises `TlsFileError`."""
        _load_chain(context, self.certificate, self.key, names=("tls_client_cert", "tls_client_key"))


def tls_problem(error: OSError) -> str:
    """Why a file of certificates or keys cannot be used."""
    if isinstance(error, ssl.SSLError):
        return {
            "NO_CERTIFICATE_OR_CRL_FOUND": "contains no certificate in PEM format",
            "KEY_VALUES_MISMATCH": "the key does not belong to the certificate",
        }.get(error.reason or "", "contains no valid certificate or key in PEM format")
    return f"cannot be read: {error.strerror or error}"


class TlsFileError(Exception):
    """A file of a certificate, its key or the client authorities cannot be used."""

    def __init__(self, setting: str, reason: str) -> None:
        super().__init__(reason)
        self.setting = setting


def server_context(certificate: Path, key: Path | None, client_authorities: Path | None) -> ssl.SSLContext:
    """The context of a server, TLS 1.2 or later. Clients need a certificate if their authorities are given.

    Raises `TlsFileError`.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    _load_chain(context, certificate, key, names=("tls_cert", "tls_key"))
    if client_authorities is not None:
        try:
            context.load_verify_locations(cafile=client_authorities)
        except OSError as error:
            raise TlsFileError("tls_client_ca", tls_problem(error)) from error
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def _load_chain(context: ssl.SSLContext, certificate: Path, key: Path | None, *, names: tuple[str, str]) -> None:
    """Load a certificate and its key, whose settings have these names. Raises `TlsFileError`."""
    for name, file in zip(names, (certificate, key), strict=True):
        if file is not None:
            try:
                file.read_bytes()
            except OSError as error:
                raise TlsFileError(name, tls_problem(error)) from error
    try:
        # without the function, OpenSSL asks at the terminal for the password of an encrypted key
        context.load_cert_chain(certificate, key, password=lambda: "")
    except OSError as error:
        has_no_key = key is None and _has_only_certificates(certificate)
        problem = f"contains no key: name the key's file in {names[1]}" if has_no_key else tls_problem(error)
        raise TlsFileError(names[0] if key is None else names[1], problem) from error


def _has_only_certificates(file: Path) -> bool:
    text = file.read_bytes()
    return b"-----BEGIN CERTIFICATE" in text and b"PRIVATE KEY-----" not in text
