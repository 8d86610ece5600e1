"""Runs a gateway that writes how many asyncio tasks it has, every second: `python -m tests.soak.counted FILE ...`."""

import asyncio
import runpy
import sys
import threading
import time
from pathlib import Path

EVERY_S = 1.0


def count_tasks(file: Path) -> None:
    """Write the number to the file, for ever."""
    while True:
        time.sleep(EVERY_S)
        try:
            known = list(asyncio.tasks._all_tasks)  # type: ignore[attr-defined]
        except RuntimeError:  # it has just changed
            continue
        file.write_text(str(sum(not task.done() for task in known)))


if __name__ == "__main__":
    threading.Thread(target=count_tasks, args=(Path(sys.argv[1]),), daemon=True).start()
    sys.argv = sys.argv[4:]  # after the file, Python and -m
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
