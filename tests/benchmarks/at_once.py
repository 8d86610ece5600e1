"""How long health checks wait while many requests arrive at once

Each row is one burst of requests to one gateway process. `/healthz` and `/metrics` are asked on new connections every
5 ms from another process meanwhile, and the longest answer times are shown. *new connections*: each request comes with
a connection of its own. *open connections*: all connections exist already, and a request comes on each of them.

The figures depend on the machine's other load, so `--against` measures another checkout in turn with this one.
"""

import argparse
import multiprocessing
import socket
import statistics
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from select import EPOLLIN, epoll

from tests.benchmarks.hostile import hostile_engine, watch_path
from tests.benchmarks.process import cpu_seconds, free_port, running

BODY = b'{"model":"m","messages":[{"role":"user","content":"hello"}]}'
REQUEST = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nx-session-id: s%d\r\ncontent-length: %d\r\n\r\n%b"
PATHS = (b"/healthz", b"/metrics")


def _burst(port: int, count: int, *, is_open: bool) -> None:
    """Send all requests as fast as possible, and return when all are answered."""
    clients = []
    waiting = epoll()
    requests = [REQUEST % (number, len(BODY), BODY) for number in range(count)]
    if is_open:
        clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(count)]
        time.sleep(1.0)
    for number, request in enumerate(requests):
        if not is_open:
            clients.append(socket.create_connection(("127.0.0.1", port)))
        clients[number].sendall(request)
    for client in clients:
        waiting.register(client, EPOLLIN)
    left = {client.fileno(): client for client in clients}
    while left:
        for descriptor, _ in waiting.poll(60):
            client = left.pop(descriptor)
            assert client.recv(65536).startswith(b"HTTP/1.1 200 ")
            waiting.unregister(descriptor)
    for client in clients:
        client.close()


def _measure(folder: Path | None, count: int, *, is_open: bool) -> list[float]:
    """Milliseconds: the longest answer time of each path, the whole burst, and the CPU time of a request."""
    with ExitStack() as stack:
        engine = stack.enter_context(hostile_engine([None]))
        port = free_port()
        arguments = ("serve", "--engine", f"http://127.0.0.1:{engine}", "--port", str(port), "--log-level", "error")
        pid = stack.enter_context(running("concur_proxy", *arguments, port=port, core=None, folder=folder))
        time.sleep(1.0)
        stop = multiprocessing.Event()
        longest: list[multiprocessing.Queue[float]] = [multiprocessing.Queue() for _ in PATHS]
        watchers = [
            multiprocessing.Process(target=watch_path, args=(port, path, stop, queue), daemon=True)
            for path, queue in zip(PATHS, longest, strict=True)
        ]
        for watcher in watchers:
            watcher.start()
        time.sleep(0.3)
        before, began = cpu_seconds(pid), time.perf_counter()
        _burst(port, count, is_open=is_open)
        took, used = time.perf_counter() - began, cpu_seconds(pid) - before
        stop.set()
        pauses = [1000 * queue.get(timeout=60) for queue in longest]
        return [*pauses, 1000 * took, 1000 * used / count]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--against", type=Path, help="another checkout of the project")
    chosen = parser.parse_args(arguments)
    folders = {"this": None, **({} if chosen.against is None else {"other": chosen.against})}
    print("| Requests | Code | `/healthz`, ms | `/metrics`, ms | All answered, ms | CPU a request, ms |")
    print("|---|---|---:|---:|---:|---:|")
    for name, is_open in (("new connections", False), ("open connections", True)):
        seen: dict[str, list[list[float]]] = {code: [] for code in folders}
        for _ in range(chosen.runs):
            for code, folder in folders.items():
                seen[code].append(_measure(folder, chosen.requests, is_open=is_open))
        for code, rows in seen.items():
            columns = [sorted(column) for column in zip(*rows, strict=True)]
            cells = [f"{statistics.median(each):.0f} ({each[0]:.0f} to {each[-1]:.0f})" for each in columns[:3]]
            cost = statistics.median(columns[3])
            print(f"| {chosen.requests:,} on {name} | {code} | {' | '.join(cells)} | {cost:.2f} |", flush=True)


if __name__ == "__main__":
    main()
