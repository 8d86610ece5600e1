"""Runs a gateway that writes how many asyncio tasks it has, every second: `python -m tests.soak.counted FILE ...`.

It remembers fewer messages than usual, because a table that is still filling looks like a leak.
"""

import asyncio
import os
import runpy
import sys
import threading
import time
from pathlib import Path

from concur_proxy.recognition import messages

EVERY_S = 1.0
FEW_MESSAGES = 4_096
"""They come in about a minute."""


def count_tasks(file: Path) -> None:
    """Write the number to the file, for ever. The file stays open, because a fault takes the files of the gateway."""
    with file.open("wb", buffering=0) as numbers:
        while True:
            time.sleep(EVERY_S)
            try:
                known = list(asyncio.tasks._all_tasks)  # type: ignore[attr-defined]
            except RuntimeError:  # it has just changed
                continue
            os.pwrite(numbers.fileno(), b"%-8d" % sum(not task.done() for task in known), 0)


if __name__ == "__main__":
    threading.Thread(target=count_tasks, args=(Path(sys.argv[1]),), daemon=True).start()
    messages.MOST_MESSAGES = FEW_MESSAGES
    sys.argv = sys.argv[4:]  # after the file, Python and -m
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
