"""Where the admin API listens in addition to the main port, as the setting `admin_listen` says."""

from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator

AUTO = "auto"
NONE = "none"
MAIN = "main"
UNIX = "unix:"
ADDRESS_HEADER = "x-concur-admin"
"""In answers of the main port to callers on this machine: the URL of the admin API, or `unix:` and its path."""
DISTANCE = 1000
"""By default the admin API's port is this much above the main port."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminAddress:
    """An address to listen on: a path, or a host and a port."""

    host: str = ""
    port: int = 0
    path: Path | None = None
    may_move: bool = False
    """Whether any other free port will do."""

    @property
    def is_local(self) -> bool:
        """Whether only callers on this machine reach it."""
        return self.path is not None or is_loopback(self.host)


def parse_admin_listen(text: str) -> AdminAddress | None:
    """The address that is written in the setting; None for `auto`, `none` and `main`. Raises `ValueError`."""
    if text in {AUTO, NONE, MAIN}:
        return None
    path = text.removeprefix(UNIX)
    if path != text and path.startswith("/"):
        return AdminAddress(path=Path(path))
    try:
        parts = urlsplit(f"//{text}")
        if parts.hostname and parts.port is not None and parts.netloc == text and "@" not in text:
            return AdminAddress(host=parts.hostname, port=parts.port)
    except ValueError:
        pass
    raise ValueError(f"must be an address such as 127.0.0.1:9300, {UNIX}/path, {AUTO}, {MAIN} or {NONE}")


def default_address(port: int) -> AdminAddress:
    """The address for `auto` with this main port."""
    near = port + DISTANCE if port + DISTANCE <= 65_535 else port - DISTANCE
    return AdminAddress(host="127.0.0.1", port=near if port else 0, may_move=True)


def is_loopback(host: str) -> bool:
    """Whether the host is this machine by its name or address."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _checked(text: str) -> str:
    parse_admin_listen(text)
    return text


AdminListen = Annotated[str, AfterValidator(_checked)]
