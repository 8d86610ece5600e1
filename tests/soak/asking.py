"""Asks servers for `/healthz` from a process of its own: `python -m tests.soak.asking FILE NAME=PORT...`.

Each answer is a line in the file: the server's name, when it was asked in seconds, and what it took in milliseconds.
"""

import socket
import sys
import time
from pathlib import Path
from threading import Thread
from typing import TextIO

EVERY_S = 0.1
TIMEOUT_S = 10.0
REQUEST = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"


def _ask(answers: TextIO, name: str, port: int) -> None:
    while True:
        began = time.monotonic()
        if _is_served(port):
            answers.write(f"{name} {began:.4f} {1000 * (time.monotonic() - began):.1f}\n")
        time.sleep(EVERY_S)


def _is_served(port: int) -> bool:
    """Whether an answer came, or none in `TIMEOUT_S` seconds; not if there was no connection, or it was closed."""
    try:
        with socket.create_connection(("127.0.0.1", port), TIMEOUT_S) as probe:
            probe.sendall(REQUEST)
            return bool(probe.recv(4096))
    except TimeoutError:
        return True
    except OSError:
        return False


def main(file: Path, servers: list[str]) -> None:
    """Ask each server in a thread of its own, for ever."""
    with file.open("a", buffering=1) as answers:
        asking = [
            Thread(target=_ask, args=(answers, name, int(port))) for name, port in (s.split("=") for s in servers)
        ]
        for each in asking:
            each.start()
        for each in asking:
            each.join()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
