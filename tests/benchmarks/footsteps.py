"""How far one event travels through the code: `python -m tests.benchmarks.footsteps`, with `--list` also each file.

Three events are measured. The gateway, its HTTP server and Redis are real. The engine is scripted and answers on
loopback. The settings are the defaults, but background reads of the engine are too far apart to fall into an event.

- A request: one streaming chat completion of a session that has its place, so it is admitted at once. The engine
  streams what vLLM does, in two pieces: the first token, then the rest with the usage. The event begins when the client
  sends the request. It ends when the client has the whole answer and the gateway has settled its accounts.
- A scrape: the gateway reads the newest captured vLLM `/metrics` of an idle engine. The event begins when the engine
  has received the question. It ends when the window has been set. The loop that asks is therefore not counted.
- An arrival over Redis: the same request comes to a gateway that follows another one. Both run in this process. The
  event begins when the client sends the request. It ends when the engine has received it, which needs the leader's
  decision.

What is counted:

- A step is one call of a Python function whose code is in a file of `concur_proxy`. Methods, properties, lambdas,
  comprehensions and generators are functions. Code without a file, such as a dataclass' `__init__`, is not counted.
- A coroutine or generator that goes on after a wait is no new step, and neither is a return.
- Files: the number of different files with at least one step.
- Package changes: the number of steps whose top-level package differs from that of the step before. A module directly
  under `concur_proxy` is a package of its own.

Each event is measured several times. A timer of the gateway can fall into a measurement, so the most frequent result is
reported, with the number of measurements that agree. No figure is judged: the status is 0 unless a measurement fails.
"""

import argparse
import asyncio
import dis
import json
import logging
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from itertools import pairwise
from pathlib import Path
from types import CodeType, FrameType

import concur_proxy
from tests.captures import capture
from tests.coordination.redis_server import RedisServer

# Adapt these when code moves.
from tests.http.running_gateway import RunningGateway, running_gateway
from tests.http.scripted_engine import Exchange, scripted_engine

ROUNDS = 25
WARM_UP = 3
"""Events before the first measurement: the session gets its place, and the gateway learns how the engine answers."""
SETTLE_S = 0.03
"""Time in which the gateway finishes an event after its answer."""
PAUSE_S = 0.07
"""Time between two measurements."""
SCRAPE_INTERVAL_S = 0.13
"""Where scrapes are measured: longer than the two above, and out of step with the gateway's timers."""
QUIET: dict[str, object] = {
    "scrape_interval_s": 60.0,
    "stale_after_s": 120.0,
    "fail_open_after_s": 240.0,
    "health_interval_s": 600.0,
}
"""Settings that keep background reads out of an event."""

_ROOT = f"{Path(concur_proxy.__path__[0])}/"
Steps = list[str]
"""The file of each step, relative to the package."""


class Trace:
    """Notes the steps between `start` and `stop`."""

    def __init__(self) -> None:
        self.steps: Steps = []

    def start(self) -> None:
        """Begin with no steps."""
        self.steps = []
        sys.setprofile(self._note)

    def stop(self) -> None:
        """Stop noting steps."""
        sys.setprofile(None)

    def _note(self, frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(_ROOT) and frame.f_lasti == _start(code):
            self.steps.append(code.co_filename.removeprefix(_ROOT))


@cache
def _start(code: CodeType) -> int:
    """The offset of a function's first `RESUME`. A coroutine that continues after a wait is at a later `RESUME`."""
    return next(instruction.offset for instruction in dis.get_instructions(code) if instruction.opname == "RESUME")


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """The way of one event through the code."""

    event: str
    files: dict[str, int]
    """Steps by file, in the order of the first visit."""
    changes: int
    agreed: int
    """Measurements with this result."""


def typical(event: str, measured: Sequence[Steps]) -> Way:
    """The most frequent result, and the first measurement that has it."""
    results = [(len(set(steps)), _changes(steps)) for steps in measured]
    result, agreed = Counter(results).most_common(1)[0]
    steps = measured[results.index(result)]
    if not steps:
        raise RuntimeError(f"{event}: no steps were seen")
    return Way(event=event, files=dict(Counter(steps)), changes=result[1], agreed=agreed)


def _changes(steps: Steps) -> int:
    packages = [Path(file).parts[0] for file in steps]
    return sum(before != after for before, after in pairwise(packages))


# -- the engine's side


def _event(choices: Sequence[object], **more: object) -> bytes:
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return b"data: %b\n\n" % json.dumps({**head, "choices": choices, **more}, separators=(",", ":")).encode()


_FIRST = _event([{"index": 0, "delta": {"role": "assistant", "content": "one"}, "finish_reason": None}])
_LAST = _event([{"index": 0, "delta": {"content": " two"}, "finish_reason": "stop"}], system_fingerprint="vllm-0.32.0")
_USAGE = _event([], usage={"prompt_tokens": 20, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 16}})
_DONE = b"data: [DONE]\n\n"


async def _stream(exchange: Exchange, on_received: Callable[[], None] = lambda: None) -> None:
    """Answer a chat completion as vLLM does, with the usage where it is asked for."""
    on_received()
    usage = _USAGE if b'"include_usage":true' in exchange.request.body else b""
    await exchange.start_stream()
    for piece in (_FIRST, _LAST + usage + _DONE, b""):
        await asyncio.sleep(0.01)  # each piece arrives alone
        await exchange.chunk(piece)


async def _chat(gateway: RunningGateway) -> None:
    answer = await gateway.chat("agent", stream=True)
    if answer.status_code != 200 or not answer.content.endswith(_DONE):
        raise RuntimeError(f"the gateway answered {answer.status_code}: {answer.text[:500]}")


async def _measure(trace: Trace, happen: Callable[[], Awaitable[None]]) -> list[Steps]:
    """Let the event happen again and again; it starts the trace."""
    measured = []
    for _ in range(WARM_UP + ROUNDS):
        await happen()
        trace.stop()
        measured.append(trace.steps)
        await asyncio.sleep(PAUSE_S)
    return measured[WARM_UP:]


# -- the events


async def request() -> Way:
    """One admitted request."""
    trace = Trace()
    async with scripted_engine(script=_stream, models=["m"]) as engine, running_gateway(engine.url, **QUIET) as gateway:

        async def happen() -> None:
            trace.start()
            await _chat(gateway)
            await asyncio.sleep(SETTLE_S)

        return typical("one admitted request", await _measure(trace, happen))


async def scrape() -> Way:
    """One scrape of one engine."""
    trace, begun = Trace(), asyncio.Event()
    body = capture("vllm").encode()
    answer = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)

    async def metrics(exchange: Exchange) -> None:
        if not begun.is_set():
            begun.set()
            trace.start()
        await exchange.send(answer)

    async def happen() -> None:
        begun.clear()
        async with asyncio.timeout(10):
            await begun.wait()
        await asyncio.sleep(SETTLE_S)

    settings = {**QUIET, "scrape_interval_s": SCRAPE_INTERVAL_S}
    async with scripted_engine(metrics_script=metrics, models=["m"]) as engine, running_gateway(engine.url, **settings):
        return typical("one scrape", await _measure(trace, happen))


async def arrival() -> Way:
    """One arrival over Redis, at a gateway that follows."""
    trace = Trace()
    with RedisServer() as redis:
        settings = {**QUIET, "store": "redis", "redis_url": redis.url}
        async with (
            scripted_engine(script=partial(_stream, on_received=trace.stop), models=["m"]) as engine,
            running_gateway(engine.url, **settings) as leader,
            running_gateway(engine.url, **settings) as follower,
        ):

            async def happen() -> None:
                trace.start()
                await _chat(follower)

            await _has_role(leader, "leading")
            await _has_role(follower, "following")
            return typical("one arrival over Redis", await _measure(trace, happen))


async def _has_role(gateway: RunningGateway, role: str) -> None:
    async with asyncio.timeout(10):
        while await gateway.metric("concur_store_role", role=role) != 1.0:
            await asyncio.sleep(PAUSE_S)


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.footsteps", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--list", action="store_true", help="list the visited files, in the order of the first visit")
    given = parser.parse_args()
    logging.disable()
    ways = [asyncio.run(event()) for event in (request, scrape, arrival)]
    print("| event | files | package changes | measurements that agree |\n| --- | --- | --- | --- |")
    for way in ways:
        print(f"| {way.event} | {len(way.files)} | {way.changes} | {way.agreed} of {ROUNDS} |")
    for way in ways if given.list else ():
        print(f"\n{way.event}:")
        for file, steps in way.files.items():
            print(f"{steps:6}  {file}")


if __name__ == "__main__":
    main()
