"""Runs a program to be measured in its own process, pinned to a core, and reads its CPU time from the kernel."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path


def free_port() -> int:
    """A free port on loopback."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def cpu_seconds(pid: int) -> float:
    """User and system time of all threads of a process, from `schedstat`, because `stat` counts in ticks of 10 ms."""
    tasks = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9


def pin(pids: Sequence[int], core: int) -> None:
    """Move all threads of these processes to a core."""
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").iterdir():
            os.sched_setaffinity(int(task.name), {core})


@contextmanager
def running(module: str, *arguments: str, port: int, core: int | None, folder: Path | None = None) -> Iterator[int]:
    """Run `python -m module arguments...` until the block ends. Yields the pid once `port` accepts connections.

    `folder` is another checkout, whose module is run instead.
    """
    with started([sys.executable, "-m", module, *arguments], port=port, folder=folder) as pid:
        if core is not None:
            pin([pid], core)
        yield pid


@contextmanager
def started(command: Sequence[str], *, port: int, folder: Path | None = None) -> Iterator[int]:
    """Run a program in this folder until the block ends. Yields the pid once `port` accepts connections."""
    # its own output must not appear in a table on standard output
    process = subprocess.Popen(command, stdout=2, cwd=folder)
    try:
        wait_until_listening(process, port)
        yield process.pid
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_until_listening(process: subprocess.Popen[bytes], port: int, seconds: float = 20.0) -> None:
    """Return once the port accepts a connection. Raises `RuntimeError` if the process ends first or takes too long."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"{process.args!r} ended with status {process.returncode}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError(f"{process.args!r} did not listen on port {port} within {seconds} s")
