"""A certificate authority, made with openssl."""

import ssl
import subprocess
from pathlib import Path

_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


class Authority:
    """Issues certificates for 127.0.0.1."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        self.file = folder / f"{name}.pem"
        """Its own certificate, for those who trust it."""
        self._folder = folder
        self._key = folder / f"{name}.key"
        _openssl("req", "-x509", *_KEY, "-days", "2", "-subj", f"/CN={name}", "-keyout", self._key, "-out", self.file)

    def issue(self, name: str) -> tuple[Path, Path]:
        """The files of a new certificate and of its key."""
        certificate, key, request, extension = (
            self._folder / f"{name}.{ending}" for ending in ("pem", "key", "csr", "ext")
        )
        extension.write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
        _openssl("req", *_KEY, "-subj", f"/CN={name}", "-keyout", key, "-out", request)
        _openssl(
            *("x509", "-req", "-in", request, "-CA", self.file, "-CAkey", self._key, "-CAcreateserial", "-days", "2"),
            *("-extfile", extension, "-out", certificate),
        )
        return certificate, key

    def server_context(self, name: str = "server") -> ssl.SSLContext:
        """The context of a server with a new certificate."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*self.issue(name))
        return context


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)
