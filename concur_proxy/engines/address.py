"""Where an engine is. A server is one engine, or one engine for each of its data-parallel ranks."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

MOST_DP_RANKS = 1024

_URL = re.compile(r"https?://[^/?#@\s]+(/[^?#\s]*)?", re.ASCII)
_WITH_RANKS = re.compile(r"(?P<url>[^#]*)#dp=(?P<ranks>[0-9]{1,4})")


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineAddress:
    """One engine of the fleet."""

    name: str
    """As in metrics and logs: the URL, followed by `#rank=N` for a data-parallel rank."""
    url: str
    """The server's base URL."""
    dp_rank: int | None = None
    """The data-parallel rank that requests are pinned to. None: the whole server is one engine."""


def is_server_url(url: str) -> bool:
    """Whether this is a server's base URL: `http[s]://host[:port][/base/path]` in ASCII, without a user or query."""
    try:
        parts = urlsplit(url)
        has_place = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return has_place and url.isascii() and url.isprintable() and _URL.fullmatch(url) is not None


def addresses(text: str) -> list[EngineAddress]:
    """The engines of a server.

    `text` is its URL, or its URL with a number of data-parallel ranks, as in `http://host:8000#dp=2`. Raises
    `ValueError` if that number is not between 1 and `MOST_DP_RANKS`.
    """
    found = _WITH_RANKS.fullmatch(text)
    if found is None:
        if "#" in text:
            raise ValueError("what follows # must be dp=N, the number of data-parallel ranks")
        return [EngineAddress(name=text, url=text)]
    url, ranks = found["url"], int(found["ranks"])
    if not 1 <= ranks <= MOST_DP_RANKS:
        raise ValueError(f"dp must be 1 to {MOST_DP_RANKS} ranks")
    return [EngineAddress(name=f"{url}#rank={rank}", url=url, dp_rank=rank) for rank in range(ranks)]
