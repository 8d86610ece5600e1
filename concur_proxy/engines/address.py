"""Where an engine is: a server, and of a server with data-parallel ranks one of them."""

import re
from dataclasses import dataclass

MOST_RANKS = 1024
_RANKS = re.compile(r"(?P<url>[^#]*)#dp=(?P<ranks>[0-9]{1,4})")


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineAddress:
    """One engine of the fleet."""

    name: str
    """As in metrics and logs: the URL, and of a rank also its number."""
    url: str
    """The server's base URL."""
    rank: int | None = None
    """The data-parallel rank that its requests are pinned to; None: the server is one engine."""


def addresses(text: str) -> list[EngineAddress]:
    """The engines that `http://host:8000`, or with ranks `http://host:8000#dp=2`, stands for. `ValueError` for a number
    of ranks that none can be.
    """
    found = _RANKS.fullmatch(text)
    if found is None:
        if "#" in text:
            raise ValueError("what follows # must be dp=N, the number of data-parallel ranks")
        return [EngineAddress(name=text, url=text)]
    url, ranks = found["url"], int(found["ranks"])
    if not 1 <= ranks <= MOST_RANKS:
        raise ValueError(f"dp must be 1 to {MOST_RANKS} ranks")
    return [EngineAddress(name=f"{url}#rank={rank}", url=url, rank=rank) for rank in range(ranks)]
