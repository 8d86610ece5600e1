"""A gateway that an ingress publishes under a path of its own, such as `/llm`."""

from concur_proxy.relay.client import Scope


class RootPath:
    """Removes the path from requests. Ingresses that remove it themselves are served too."""

    def __init__(self, path: str) -> None:
        """`path` begins with a slash and does not end with one."""
        self._path = path
        self._raw = path.encode("ascii")

    def remove(self, scope: Scope) -> None:
        """Remove the path from the beginning of a request's path."""
        if scope["path"].startswith(f"{self._path}/") and scope["raw_path"].startswith(self._raw + b"/"):
            scope["path"] = scope["path"][len(self._path) :]
            scope["raw_path"] = scope["raw_path"][len(self._raw) :]
