"""Sessions in WEKA's format, for tests."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

BLOCK = 64


def answer(
    t: float, ids: Sequence[int], out: int = 100, *, rest: int = 10, api_time: float | None = 2.0
) -> dict[str, object]:
    """A request whose prompt is these blocks and `rest` tokens."""
    return {
        "t": t,
        "type": "n",
        "in": BLOCK * len(ids) + rest,
        "out": out,
        "hash_ids": list(ids),
        "api_time": api_time,
    }


def session(*requests: object, head: tuple[int, int] = (0, 0), **more: object) -> dict[str, object]:
    """A session with these requests. `head`: tokens of its tools and system prompt."""
    return {
        "id": "s",
        "block_size": BLOCK,
        "tool_tokens": head[0],
        "system_tokens": head[1],
        "requests": requests,
        **more,
    }


def write(path: Path, *sessions: object) -> Path:
    """A file with a session in each line."""
    path.write_bytes(b"\n".join(map(msgspec.json.encode, sessions)) + b"\n")
    return path
