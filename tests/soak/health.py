"""Asks gateways for `/healthz` from a process of its own: `python tests/soak/health.py FILE PORT...`.

Each answer is a line in the file, with its time in milliseconds.
"""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

EVERY_S = 0.1
TIMEOUT_S = 10.0
REQUEST = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"


@contextmanager
def asked(file: Path, ports: Sequence[int], *, launcher: Sequence[str]) -> Iterator[None]:
    """Ask while the block runs. `launcher` is a command that runs another one."""
    process = subprocess.Popen([*launcher, sys.executable, __file__, str(file), *map(str, ports)])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def summary(milliseconds: Sequence[float]) -> str:
    """The median, 99 % and longest of some answers."""
    if not milliseconds:
        return "no answer"
    ordered = sorted(milliseconds)
    late = sum(one > 100 for one in ordered) / len(ordered)
    return (
        f"median {ordered[len(ordered) // 2]:.0f} ms, 99 % within {ordered[int(len(ordered) * 0.99)]:.0f} ms, "
        f"longest {ordered[-1]:.0f} ms; {100 * late:.2f} % took longer than 100 ms"
    )


def _ask(file: Path, ports: Sequence[int]) -> None:
    with file.open("a", buffering=1) as answers:
        while True:
            for port in ports:
                began = time.perf_counter()
                with suppress(ConnectionError), socket.create_connection(("127.0.0.1", port), TIMEOUT_S) as probe:
                    with suppress(TimeoutError):
                        probe.sendall(REQUEST)
                        probe.recv(4096)
                    answers.write(f"{1000 * (time.perf_counter() - began):.1f}\n")
            time.sleep(EVERY_S)


if __name__ == "__main__":
    _ask(Path(sys.argv[1]), [int(port) for port in sys.argv[2:]])
