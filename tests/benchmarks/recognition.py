"""The cost of recognition: `python -m tests.benchmarks.recognition` measures time, memory and CPU.

**Time.** A fleet knows 10,000 conversations with the same system prompt. Another conversation had a turn before, and
its next request comes, two messages longer. *read* is the time in which the reader finds the fields of the body, which
the gateway needs in any case. *chain* is the time of `chain_of`. *arrive* is the time in which the fleet finds the
session and accounts for the prompt; it includes the gate's decision. *all* is the sum. Each round is another
conversation. *first* is *all* of a prompt none of whose messages was read before. Medians of CPU time, unless it says
p99, in microseconds. The texts are source code. The kinds:

- *text*: chat messages with a text as content;
- *parts*: each content is a list with one text part;
- *blocks*: Messages API with content blocks, results of tools, and a mark of the prompt cache that moves;
- *escaped*: Chinese text with each character as an escape;
- *images*: the same size with 4 images of a base64 data URI.

**Memory.** See `tests.benchmarks.many_conversations`.

**CPU.** The gateway process serves 64 agents, each with one conversation of about 4 kB after another, with the load and
the engine of `tests.benchmarks.relay`. The same gateway that takes no notice of prompts
(`tests.benchmarks.without_prompts`) runs too; both get the load in turn, in slices. CPU time of the process per
request, medians of the slices. The gateway has core 0 for itself.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median, quantiles

from concur_proxy.admission.arrival import Answered, Arrival
from concur_proxy.admission.fleet import Fleet
from concur_proxy.admission.gate import SessionGate
from concur_proxy.admission.gate_state import GateOptions
from concur_proxy.admission.lease import FixedLease
from concur_proxy.admission.numbering import Numbers
from concur_proxy.recognition.segments import chain_of
from concur_proxy.wire.request.view import RequestReader, RequestView
from tests.benchmarks import many_conversations
from tests.benchmarks.process import free_port, running, started
from tests.benchmarks.relay.loads import Load, measured
from tests.benchmarks.relay.native import compiled

KINDS = ("text", "parts", "blocks", "escaped", "images")
PARTS = ("time", "memory", "cpu")
KNOWN = 10_000
CONNECTIONS = 64
GATEWAY_CORE, LOAD_CORE = 0, 1
TIME_HEAD = """\
| body | bytes | messages | segments | read | chain | arrive | all | all, p99 | first |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"""
CPU_HEAD = """\
| sessions | without prompts, us | with prompts, us | more |
| --- | ---: | ---: | ---: |"""
SOURCE = "".join(
    path.read_text() for path in sorted((Path(__file__).parents[2] / "concur_proxy" / "relay").glob("*.py"))
)
HEADERS = [(b"authorization", b"Bearer sk-0123456789"), (b"content-type", b"application/json")]
READER = RequestReader()
ANSWERED = Answered(prompt_tokens=900, completion_tokens=300, first_token_s=0.1, cached_tokens=600)


def text(kind: str, index: int, size: int) -> str:
    """A text that takes `size` bytes of JSON, about."""
    if kind == "escaped":
        return "".join(chr(0x4E00 + (index * 97 + i) % 5000) for i in range(size // 6))
    start = index * 1931 % (len(SOURCE) - size)
    return SOURCE[start : start + size * 95 // 100]


def message(kind: str, index: int, size: int, name: str, *, marked: bool) -> dict[str, object]:
    """One message of the conversation of this name. No other message is equal."""
    words = f"{name} {index} {text(kind, index, size - len(name))}"
    role = "assistant" if index % 2 else "user"
    if kind == "images" and index in (2, 4, 6, 8):
        url = f"data:image/png;base64,{name}{'iVBORw0KGgo' * (size // 11)}"
        return {"role": role, "content": [{"type": "image_url", "image_url": {"url": url}}]}
    if kind not in ("blocks", "parts"):
        return {"role": role, "content": words}
    block: dict[str, object] = {"type": "text", "text": words}
    if kind == "parts":
        return {"role": role, "content": [block]}
    if role == "user":
        block = {"type": "tool_result", "tool_use_id": f"toolu_{index}", "content": [block]}
    if marked:
        block["cache_control"] = {"type": "ephemeral"}
    return {"role": role, "content": [{"type": "text", "text": "ok"}, block]}


def body(kind: str, size: int, messages: int, *, name: str = "", fewer: int = 0) -> bytes:
    """A request of `size` bytes, about, of the conversation of this name. Its last `fewer` messages are left out."""
    each, last = size // messages, messages - fewer - 1
    sent = [message(kind, i, each - 40, name, marked=i == last) for i in range(last + 1)]
    system = {"role": "system", "content": "You help."}
    request = {"model": "m", "messages": [system, *sent], "stream": True}
    return json.dumps(request, separators=(",", ":")).encode()


def view(data: bytes) -> RequestView:
    """The request with this body."""
    made = READER.view("POST", b"/", "/v1/chat/completions", HEADERS)
    made.body = data
    return made


class Times:
    """A fleet that knows many conversations, and the time that it needs for a request."""

    def __init__(self) -> None:
        def gate(engine: str, numbers: Numbers) -> SessionGate:
            return SessionGate(options=GateOptions(), lease=FixedLease(5.0), window=1e9, engine=engine, numbers=numbers)

        self._fleet = Fleet(engines=["e"], make_gate=gate)
        self._now = 0.0
        for number in range(KNOWN):
            self.request(body("text", 400, 2, name=f"known {number}"))

    def request(self, data: bytes) -> tuple[float, float, float]:
        """A request and its answer. Returns the times of read, chain and arrive."""
        self._now += 0.001
        request = view(data)
        began = time.thread_time()
        read = request.json
        is_read = time.thread_time()
        chain = chain_of(request)
        is_chain = time.thread_time()
        arrival = Arrival(chain=chain, model=read.model, hold_s=60.0, body_bytes=len(data))
        ticket, _ = self._fleet.arrive(arrival, now=self._now)
        ended = time.thread_time()
        self._fleet.finish(ticket, ANSWERED, now=self._now)
        return is_read - began, is_chain - is_read, ended - is_chain

    def row(self, kind: str, size: int, messages: int, rounds: int) -> str:
        """Measure the requests of one kind."""
        names = [f"{kind} {size} {number}" for number in range(rounds)]
        before = [body(kind, size, messages, name=name, fewer=2) for name in names]
        after = [body(kind, size, messages, name=name) for name in names]
        firsts = [sum(self.request(data)) for data in before]
        times = [self.request(data) for data in after]
        chain = chain_of(view(after[-1]))
        assert chain is not None
        each = [median(column) for column in zip(*times, strict=True)]
        alls = [sum(parts) for parts in times]
        figures = (*each, median(alls), quantiles(alls, n=100)[-1], median(firsts))
        columns = " | ".join(f"{1e6 * figure:.0f}" for figure in figures)
        return f"| {kind} | {len(after[-1])} | {messages + 1} | {len(chain)} | {columns} |"


def print_times(rounds: int) -> None:
    """Print the table of times."""
    times = Times()
    print(TIME_HEAD, flush=True)
    for size, messages in ((4_000, 4), (212_000, 60)):
        for kind in KINDS:
            print(times.row(kind, size, messages, rounds), flush=True)
    print()


def cpu_row(kind: str, load: Load, program: Path, engine_port: int, *, slices: int, seconds: float) -> str:
    """Compare the gateways under this load."""
    spent: dict[str, list[float]] = {"tests.benchmarks.without_prompts": [], "concur_proxy": []}
    with ExitStack() as stack:
        gateways = {}
        for module in spent:
            port = free_port()
            command = ("serve", "--engine", f"http://127.0.0.1:{engine_port}", "--port", str(port))
            pid = stack.enter_context(running(module, *command, "--log-level", "error", port=port, core=GATEWAY_CORE))
            gateways[module] = port, pid
            measured(program, load, port=port, pids=[pid], ping="", seconds=1.0)
        for _ in range(slices):
            for module, (port, pid) in gateways.items():
                figures = measured(program, load, port=port, pids=[pid], ping="", seconds=seconds)
                spent[module].append(figures.request_cpu_us)
    without, with_prompts = (median(values) for values in spent.values())
    return f"| {kind} | {without:.0f} | {with_prompts:.0f} | {100 * (with_prompts / without - 1):.1f} % |"


def print_cpu(slices: int, seconds: float) -> None:
    """Print the table of CPU time over HTTP."""
    os.sched_setaffinity(0, {LOAD_CORE})
    engine_port = free_port()
    print(CPU_HEAD, flush=True)
    with tempfile.TemporaryDirectory() as name:
        program, engine = compiled("load", Path(name)), compiled("engine", Path(name))
        with started([str(engine), str(engine_port)], port=engine_port):
            for kind, named in (("named by a header", 1), ("without a name", 0)):
                load = Load({"connections": CONNECTIONS, "named": named})
                print(cpu_row(kind, load, program, engine_port, slices=slices, seconds=seconds), flush=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=300, help="conversations for each row of the first table")
    parser.add_argument("--slices", type=int, default=15, help="slices of load for each gateway of the last table")
    parser.add_argument("--seconds", type=float, default=1.0, help="length of a slice")
    parser.add_argument("--part", choices=PARTS, action="append", help="only this table; repeatable")
    given = parser.parse_args(argv)
    parts = given.part or PARTS
    if "time" in parts:
        print_times(given.rounds)
    if "memory" in parts:
        many_conversations.print_table()
    if "cpu" in parts:
        print_cpu(given.slices, given.seconds)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
