"""A gateway that an ingress publishes under a path of its own, such as `/llm`."""


class RootPath:
    """Removes the path from requests. Ingresses that remove it themselves are served too."""

    def __init__(self, path: str) -> None:
        """`path` begins with a slash and does not end with one."""
        self._path = path
        self._raw = path.encode("ascii")

    def removed(self, path: str, raw_path: bytes) -> tuple[str, bytes]:
        """Return a request's path, percent-decoded and as received, without this path at its beginning."""
        if path.startswith(f"{self._path}/") and raw_path.startswith(self._raw + b"/"):
            return path[len(self._path) :], raw_path[len(self._raw) :]
        return path, raw_path
