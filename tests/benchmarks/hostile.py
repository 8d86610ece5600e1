"""What hostile inputs cost the gateway, by class

Each input goes to a gateway process of its own. CPU is the process's time for this input. The longest pause is the
longest answer time of `/healthz`, asked every 5 ms in another process meanwhile, also by the machine's other load. Peak
is the highest resident memory. Where nginx and haproxy are installed, they get the same inputs as plain proxies.

The gateway leaves most bodies of 60 MB to the engine without decoding them. So some have the size at which it still
decodes them: 4 MB where there are many brackets, 8 MB for others.

*Header fields*: heads of 15,000 fields, one after another. *Requests sent ahead*: clients send requests with bodies,
and read no answer before all is sent or nothing more is taken; the engine takes a second for the first one of each.

*All at once*: every body and every answer of the table at the same time, each body from a client of its own, while 500
more connections send a head of 60 kB without an end.
"""

import argparse
import multiprocessing
import re
import shutil
import socket
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from http.client import HTTPException, HTTPResponse
from itertools import cycle
from multiprocessing.synchronize import Event
from pathlib import Path
from subprocess import Popen

from tests.benchmarks.process import cpu_seconds, free_port, running, wait_until_listening

MB = 1 << 20
HALF_HEADS = 500
HEAD = b'{"model":"m","stream":true,"messages":['
PATHS = {b'"input"': b"/v1/responses", b'"prompt"': b"/v1/completions", b'"messages"': b"/v1/chat/completions"}
"""The path of a body, by the field that it begins with."""
HEADS = 200
AHEAD_CLIENTS, AHEAD_REQUESTS, AHEAD_BYTES, AHEAD_S = 64, 16, 256 * 1024, 3.0
SLOW_PATH = b"/v1/embeddings"
"""The engine takes a second for its requests."""
OK = b'{"id":"x","choices":[{"index":0,"message":{"content":"ok"}}],"usage":{"prompt_tokens":9,"completion_tokens":1}}'
SERIES = b"vllm:num_requests_running 1\nvllm:num_requests_waiting 0\nvllm:kv_cache_usage_perc 0.1\n"


def _text(content: bytes) -> bytes:
    return HEAD + b'{"role":"user","content":"' + content + b'"}]}'


def _message(blocks: bytes) -> bytes:
    return HEAD + b'{"role":"user","content":[' + blocks + b"{}]}]}"


def _list(field: bytes, element: bytes, size: int) -> bytes:
    count = (size - 100) // (len(element) + 1)
    return b'{"model":"m","%b":[' % field + (element + b",") * (count - 1) + element + b"]}"


BODIES: dict[str, Callable[[int], bytes]] = {
    "one text": lambda size: _text(b"a" * size),
    "text that is not ASCII": lambda size: _text("ä".encode() * (size // 2)),
    "escapes": lambda size: _text(b"\\n" * (size // 2)),
    "tiny messages": lambda size: HEAD + b"{}," * (size // 3) + b"{}]}",
    "tiny messages, then NaN": lambda size: HEAD + b"{}," * (size // 3) + b"NaN]}",
    "numbers, then NaN": lambda size: HEAD + b"1e5," * (size // 4) + b"NaN]}",
    "brackets": lambda size: b"[" * size,
    "brackets in a message": lambda size: HEAD + b"[" * size,
    "blanks, then garbage": lambda size: b"\n" * size + b"x",
    "many keys": lambda size: b'{"model":"m"' + b"".join(b',"k%d":[]' % i for i in range(size // 14)) + b"}",
    "objects in metadata": lambda size: b'{"metadata":[' + b"[{}]," * (size // 5) + b"1]," + HEAD[1:] + b"{}]}",
    "tiny items, 4 MB": lambda size: _list(b"input", b"{}", min(size, 4 * MB)),
    "brackets in an item, 4 MB": lambda size: _list(b"input", b"[" * 500 + b"]" * 500, min(size, 4 * MB)),
    "texts in a list, 8 MB": lambda size: _list(b"prompt", b'"aaaaaaaaaaaaaaa"', min(size, 8 * MB)),
    "tokens, 8 MB": lambda size: _list(b"prompt", b"12345", min(size, 8 * MB)),
    "images in a message, 8 MB": lambda size: _message(b'{"type":"image"},' * ((min(size, 8 * MB) - 200) // 17)),
    "commas and a cache mark, 8 MB": lambda size: _message(
        b'{"cache_control":null,"text":"%b"},' % (b"," * (min(size, 8 * MB) - 200))
    ),
    "UTF-16": lambda size: (HEAD + b"{}," * (size // 6) + b"{}]}").decode().encode("utf-16"),
}
"""The request's body, by the size that it has about."""

ANSWERS: dict[str, bytes] = {
    "head without end": b"HTTP/1.1 200 OK\r\n" + b"x-a: aaaaaaaa\r\n" * 400_000,
    "interim answers": b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" * 100_000,
    "one event of 32 MB": b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: " + b"x" * (32 * MB),
    "event of blank lines": b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n" + b"data:\n" * (2 * MB),
    "JSON of 30 MB": b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{"choices":[' + b"{}," * (10 * MB),
}
"""What the engine sends before it closes."""


def _serve(port: int, answers: Sequence[bytes | None]) -> None:
    """Be an engine: read each request, and send the answers in turn."""
    turns = cycle(answers)
    with socket.create_server(("127.0.0.1", port), backlog=64) as server:
        while True:
            client, _ = server.accept()
            threading.Thread(target=_answer, args=(client, turns), daemon=True).start()


def _answer(client: socket.socket, turns: Iterator[bytes | None]) -> None:
    try:
        with client, client.makefile("rb") as reader:
            target, length = reader.readline().split(b" ")[1], 0
            while (line := reader.readline().lower()) not in {b"\r\n", b""}:
                length = int(line[15:]) if line.startswith(b"content-length:") else length
            while length > 0 and (part := reader.read1(min(length, MB))):
                length -= len(part)
            answer = next(turns) if target.startswith(b"/v1/chat") else None
            if target == SLOW_PATH:
                time.sleep(1)
            whole = SERIES if target == b"/metrics" else OK
            head = (
                b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: %d\r\n\r\n"
            )
            client.sendall(head % len(whole) + whole if answer is None else answer)
    except (OSError, IndexError):
        pass


def watch_path(port: int, path: bytes, stop: Event, longest: "multiprocessing.Queue[float]") -> None:
    """Ask the path every 5 ms until `stop` is set, and report the longest time that an answer took, in seconds."""
    worst = 0.0
    while not stop.is_set():
        began = time.perf_counter()
        try:
            with socket.create_connection(("127.0.0.1", port), 60) as probe:
                probe.sendall(b"GET %b HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n" % path)
                probe.recv(4096)
        except OSError:
            pass
        worst = max(worst, time.perf_counter() - began)
        time.sleep(0.005)
    longest.put(worst)


def _head(path: bytes, size: int) -> bytes:
    return b"POST %b HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % (path, size)


def _ask(port: int, body: bytes) -> str:
    path = next((path for field, path in PATHS.items() if field in body[:100]), PATHS[b'"messages"'])
    status = ""
    try:
        with socket.create_connection(("127.0.0.1", port), 120) as client:
            client.sendall(_head(path, len(body)))
            client.sendall(body)
            response = HTTPResponse(client)
            response.begin()
            status = str(response.status)
            while response.read(MB):
                pass
    except (OSError, HTTPException) as error:
        return status or type(error).__name__
    return status


def _ask_fields(port: int) -> str:
    """Send heads of very many fields, and return how often which status came."""
    head = b"GET /v1/models HTTP/1.1\r\nhost: x\r\n" + b"a:\r\n" * 15_000 + b"\r\n"
    seen: Counter[str] = Counter()
    for _ in range(HEADS):
        with socket.create_connection(("127.0.0.1", port), 10) as client:
            try:
                client.sendall(head)
                seen[client.recv(4096)[9:12].decode() or "closed"] += 1
            except OSError:
                seen["closed"] += 1
    return _counts(seen)


def _ask_ahead(port: int) -> str:
    """Send requests on many connections without reading, and return how often which status came then."""
    body = _text(b"a" * AHEAD_BYTES)
    chat = _head(PATHS[b'"messages"'], len(body)) + body
    sent = memoryview(_head(SLOW_PATH, len(OK)) + OK + chat * AHEAD_REQUESTS)
    with ExitStack() as stack:
        clients = [stack.enter_context(socket.create_connection(("127.0.0.1", port), 10)) for _ in range(AHEAD_CLIENTS)]
        left = dict.fromkeys(clients, 0)
        end = time.monotonic() + AHEAD_S
        for client in clients:
            client.settimeout(0)
        while left and time.monotonic() < end:
            for client, at in list(left.items()):
                try:
                    left[client] += client.send(sent[at : at + MB])
                except BlockingIOError:
                    continue
                except OSError:
                    del left[client]
                if left.get(client) == len(sent):
                    del left[client]
            time.sleep(0.001)
        with ThreadPoolExecutor(len(clients)) as pool:
            return _counts(sum(pool.map(_statuses, clients), Counter()))


def _statuses(client: socket.socket) -> Counter[str]:
    """The statuses of all answers that come until the connection ends, or none comes for a while."""
    came = bytearray()
    client.settimeout(2)
    try:
        while part := client.recv(MB):
            came += part
    except OSError:
        pass
    return Counter(status.decode() for status in re.findall(rb"HTTP/1\.1 (\d{3})", came))


def _counts(seen: Counter[str]) -> str:
    return ", ".join(f"{count} x {status}" for status, count in sorted(seen.items())) or "none"


@contextmanager
def hostile_engine(answers: Sequence[bytes | None]) -> Iterator[int]:
    """Run an engine that sends these answers in turn, None for a good one. Yields its port."""
    port = free_port()
    process = multiprocessing.Process(target=_serve, args=(port, answers), daemon=True)
    process.start()
    time.sleep(0.3)
    try:
        yield port
    finally:
        process.kill()
        process.join()


@contextmanager
def _proxy(name: str, engine: int) -> Iterator[tuple[int, list[int]]]:
    """Run a proxy in front of the engine. Yields its port and its processes."""
    port = free_port()
    if name == "concur-proxy":
        arguments = ("serve", "--engine", f"http://127.0.0.1:{engine}", "--port", str(port), "--log-level", "error")
        with running("concur_proxy", *arguments, port=port, core=None) as pid:
            yield port, [pid]
        return
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "conf")
        if name == "nginx":
            config.write_text(
                f"daemon off; master_process off; pid {folder}/pid; error_log /dev/null; events {{}}"
                " http { access_log off;"
                f" client_max_body_size 0; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p;"
                f" server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://127.0.0.1:{engine}; }} }} }}"
            )
            command = ["nginx", "-p", folder, "-c", str(config)]
        else:
            config.write_text(
                "defaults\n mode http\n timeout client 60s\n timeout server 60s\n timeout connect 5s\n"
                f"listen l\n bind 127.0.0.1:{port}\n server e 127.0.0.1:{engine}\n"
            )
            command = ["haproxy", "-f", str(config)]
        process = Popen(command, stdout=2)
        try:
            wait_until_listening(process, port)
            yield port, [process.pid]
        finally:
            process.kill()
            process.wait()


def _ask_all(port: int, size: int) -> str:
    """Send all bodies at once, and return how often which status came."""
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nx-a: " + b"a" * 60_000
    with ExitStack() as stack, ThreadPoolExecutor(len(BODIES)) as pool:
        for _ in range(HALF_HEADS):
            stack.enter_context(socket.create_connection(("127.0.0.1", port), 10)).sendall(head)
        return _counts(Counter(pool.map(lambda make: _ask(port, make(size)), BODIES.values())))


def _measure(name: str, ask: Callable[[int], str], answers: Sequence[bytes | None]) -> str:
    with ExitStack() as stack:
        engine = stack.enter_context(hostile_engine(answers))
        port, pids = stack.enter_context(_proxy(name, engine))
        time.sleep(1.0 if name == "concur-proxy" else 0.2)
        stop = multiprocessing.Event()
        longest: multiprocessing.Queue[float] = multiprocessing.Queue()
        path = b"/healthz" if name == "concur-proxy" else b"/health"
        watcher = multiprocessing.Process(target=watch_path, args=(port, path, stop, longest))
        watcher.start()
        time.sleep(0.2)
        before = sum(map(cpu_seconds, pids))
        status = ask(port)
        time.sleep(0.3)
        used_ms = 1000 * (sum(map(cpu_seconds, pids)) - before)
        stop.set()
        pause_ms = 1000 * longest.get(timeout=120)
        watcher.join()
        return f"{status} | {used_ms:.0f} ms | {pause_ms:.0f} ms | {sum(map(_peak_mb, pids)):.0f} MB"


def _peak_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=60, help="size of each body")
    parser.add_argument("--only", default="", help="part of the name of an input")
    chosen = parser.parse_args(arguments)
    proxies = [name for name in ("concur-proxy", "nginx", "haproxy") if name == "concur-proxy" or shutil.which(name)]
    missing = {"nginx", "haproxy"}.difference(proxies)
    if missing:
        print(f"Not installed on this machine: {', '.join(sorted(missing))}.\n")
    print("| Input | Proxy | Answer | CPU | Longest pause | Peak memory |\n|---|---|---|---|---|---|")
    for name, make in BODIES.items():
        for proxy in proxies if chosen.only in name else ():
            cost = _measure(proxy, partial(_ask, body=make(chosen.megabytes * MB)), [None])
            print(f"| body: {name} | {proxy} | {cost} |", flush=True)
    for name, ask in {"header fields": _ask_fields, "requests sent ahead": _ask_ahead}.items():
        for proxy in proxies if chosen.only in name else ():
            print(f"| {name} | {proxy} | {_measure(proxy, ask, [None])} |", flush=True)
    for name, answer in ANSWERS.items():
        for proxy in proxies if chosen.only in name else ():
            print(f"| answer: {name} | {proxy} | {_measure(proxy, partial(_ask, body=OK), [answer])} |", flush=True)
    for proxy in proxies if chosen.only in "all at once" else ():
        cost = _measure(proxy, partial(_ask_all, size=chosen.megabytes * MB), [None, *ANSWERS.values()])
        print(f"| all at once | {proxy} | {cost} |", flush=True)


if __name__ == "__main__":
    main()
