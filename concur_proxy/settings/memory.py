"""How much memory the machine has for this process, and how much of it request bodies may take by default."""

import os
from collections.abc import Iterator
from pathlib import Path

OPEN_BYTES = 256 * 1024**2
"""For the bodies of clients without a key. With it, the process takes less than 512 MB whatever they send."""

_GROUPS = Path("/sys/fs/cgroup")
_GROUPS_OF_PROCESS = Path("/proc/self/cgroup")
"""Control groups limit the memory of containers and of systemd's services."""


def memory_bytes() -> int:
    """Return the machine's memory, or the limit of the process's container or service if that is less."""
    sizes = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for path in _limit_files():
        try:
            text = path.read_text(encoding="ascii").strip()
        except OSError:
            continue
        if text.isdecimal() and int(text) > 0:  # "max": no limit
            sizes.append(int(text))
    return min(sizes)


def default_buffered_bytes(memory: int, *, workers: int, has_keys: bool) -> int:
    """Return how many bytes of bodies each of the processes may hold: a quarter of the memory.

    Where clients need no key, anyone who can connect can fill it, so it is never more than `OPEN_BYTES` then. Clients
    with keys are known, and a large fleet of them may wait.
    """
    quarter = memory // workers // 4
    return quarter if has_keys else min(OPEN_BYTES, quarter)


def _limit_files() -> Iterator[Path]:
    """The files with the limits of the process's control group and of each group around it, in version 2 and 1.

    A container sees its own group as the root, or a path that exists only outside it.
    """
    try:
        groups = _GROUPS_OF_PROCESS.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        groups = []
    for group in ("0::/", "0:memory:/", *groups):
        _, controllers, path = group.split(":", 2)
        if "memory" in controllers.split(","):
            root, name = _GROUPS / "memory", "memory.limit_in_bytes"
        elif not controllers:
            root, name = _GROUPS, "memory.max"
        else:
            continue
        own = root / path.lstrip("/")
        yield from (folder / name for folder in (own, *own.parents) if folder.is_relative_to(root))
