"""What compiled modules could save: the CPU time of the pure parts of a request

`python -m tests.benchmarks.pure_parts`. Only code without I/O, coroutines and event loop could be compiled well. Each
row is such a part of a request of 4 kB with an OpenAI SDK's headers, whose session is active. Time is CPU time, the
best of the rounds. Compare the sum with the CPU time of a whole request in `tests.benchmarks.relay`.
"""

import argparse
import json
import time
from collections.abc import Callable, Sequence
from itertools import count

from concur_proxy.admission.arrival import Answered, Arrival
from concur_proxy.admission.fleet import Fleet
from concur_proxy.admission.gate import SessionGate
from concur_proxy.admission.gate_state import GateOptions
from concur_proxy.admission.learned_lease import LearnedLease
from concur_proxy.recognition.segments import chain_of
from concur_proxy.wire.headers import Headers, request_headers, response_headers
from concur_proxy.wire.request.view import RequestReader, RequestView

NUMBER, SESSIONS, GAP_S = 2000, 64, 0.0005
READER = RequestReader()
PATH = "/v1/chat/completions"
HEADERS: Headers = [
    (b"host", b"127.0.0.1:8000"),
    (b"accept-encoding", b"gzip, deflate"),
    (b"connection", b"keep-alive"),
    (b"accept", b"application/json"),
    (b"content-type", b"application/json"),
    (b"user-agent", b"OpenAI/Python 2.8.1"),
    *((b"x-stainless-%d" % number, b"value") for number in range(8)),
    (b"authorization", b"Bearer none"),
    (b"x-session-id", b"agent-7"),
    (b"content-length", b"4000"),
]
ANSWERED = Answered(prompt_tokens=1000, completion_tokens=150, cached_tokens=900, first_token_s=0.01)


def best_us(part: Callable[[], object], rounds: int) -> float:
    """CPU time of one call in microseconds, in the best round."""
    times = []
    for _ in range(rounds):
        began = time.thread_time()
        for _ in range(NUMBER):
            part()
        times.append(time.thread_time() - began)
    return 1e6 * min(times) / NUMBER


def body() -> bytes:
    """A prompt of 4 kB in 17 messages."""
    messages = [{"role": "user" if number % 2 else "assistant", "content": "hello 7 " * 25} for number in range(16)]
    return json.dumps({"model": "m", "messages": [{"role": "system", "content": "be brief"}, *messages]}).encode()


def parts() -> dict[str, Callable[[], object]]:
    """The parts by name. Some contain the ones before them: see `main`."""
    sent = body()
    fleet = Fleet(
        engines=("engine",),
        make_gate=lambda engine, numbers: SessionGate(
            options=GateOptions(), lease=LearnedLease(), window=2 * SESSIONS, engine=engine, numbers=numbers
        ),
    )
    turns = count()

    def head() -> RequestView:
        view = READER.view("POST", PATH.encode(), PATH, list(HEADERS))
        assert (view.request_id, view.ends_session, view.head_bytes > 0) == (None, False, True)
        return view

    def read() -> RequestView:
        view = head()
        view.body, view.tenant = sent, ""
        assert view.json.model == "m"
        return view

    def admitted() -> None:
        turn = next(turns)
        now = turn * GAP_S
        arrival = Arrival(key=f"s{turn % SESSIONS}", hold_s=600.0, model="m", body_bytes=len(sent))
        ticket, _ = fleet.arrive(arrival, now=now)
        fleet.finish(ticket, ANSWERED, now=now + GAP_S / 2)

    def headers() -> None:
        request_headers(HEADERS, removed=frozenset(), added=[])
        response_headers(HEADERS[:6], keep_length=True)

    return {
        "head": head,
        "body": read,
        "prompt's chain": lambda: chain_of(read()),
        "admission": admitted,
        "headers for engine and client": headers,
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.pure_parts", description=(__doc__ or "")[:83])
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each part (default 5)")
    rounds = parser.parse_args(arguments).rounds
    print("| part of a request | us |\n| --- | ---: |")
    seen = {name: best_us(part, rounds) for name, part in parts().items()}
    own = {
        **seen,
        "body": seen["body"] - seen["head"],
        "prompt's chain": seen["prompt's chain"] - seen["body"],
    }
    for name, spent in (*own.items(), ("all", sum(own.values()))):
        print(f"| {name} | {spent:.1f} |")


if __name__ == "__main__":
    main()
