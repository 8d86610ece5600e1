"""How much memory the machine has for this process, and how much of it request bodies may take by default."""

import os
from pathlib import Path

OPEN_BYTES = 256 * 1024**2
"""For the bodies of clients without a key. With it, the process takes less than 512 MB whatever they send."""

_CGROUP_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
"""The limit of a container, in version 2 and 1 of control groups."""


def memory_bytes() -> int:
    """Return the machine's memory, or the container's limit if that is less."""
    sizes = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for path in _CGROUP_LIMITS:
        try:
            text = path.read_text(encoding="ascii").strip()
        except OSError:
            continue
        if text.isdecimal() and int(text) > 0:  # "max": no limit
            sizes.append(int(text))
    return min(sizes)


def default_buffered_bytes(memory: int, *, workers: int, has_keys: bool) -> int:
    """Return how many bytes of bodies each of the processes may hold.

    Where clients need no key, anyone who can connect can fill it, so it is small then. Clients with keys are known, and
    a large fleet of them may wait: they get a quarter of the memory.
    """
    share = memory // workers
    least = min(OPEN_BYTES, share // 2)
    return max(least, share // 4) if has_keys else least
