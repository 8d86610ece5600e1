"""Two tenants share an engine through one gateway, and through two that share a Redis.

`python -m tests.benchmarks.tenants_over_http` prints a Markdown table. Everything is a process of its own: a Redis, the
gateways, and an emulated engine whose window is 2 sessions. A tenant with 1,000 sessions fills the engine; seconds
later another tenant comes with 3. Each turn goes to any gateway, and a session begins again when it has ended.

*Share* is the small tenant's part of the weighted tokens of the answers that came while both had work. It must be
within 5 points of its weight. *Wait* is the small tenant's longest wait for a turn with the other tenant there, and
*alone* without it, as the gateways report it. It must be at most twice as long, plus the longest turn. *Above* is the
most requests that the engine had at once beyond the window.
"""

import argparse
import asyncio
import hashlib
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random

import msgspec

from concur_proxy.admission.orders.fair import weighted
from tests.benchmarks.tenants import MOST_OFF
from tests.replicas.client import Failed, send
from tests.replicas.cluster import Cluster, metrics
from tests.replicas.server import Server

REPLICAS = (1, 2)
WEIGHTS = (1.0, 3.0)
LARGE, SMALL = 1000, 3
WINDOW = 2
SETTLE_S, MEASURED_S = 3.0, 24.0
TURNS = (3, 6)
ENGINE_FLAGS = ("--step-s", "0.02", "--decode-s", "0", "--prefill-tokens-s", "20000", "--capacity-tokens", "200000")
GATEWAY_FLAGS = (
    *("--law", "static", "--set", f"window={WINDOW}", "--no-work-conserving", "--fallback-window", str(WINDOW)),
    *("--session-ttl-s", "30"),
)
SAMPLE_S = 0.2
HEAD = """\
| Gateways | Weights | Due | Share | Answers | Wait, s | Alone, s | Turn, s | Large waits, s | Above | Failed | Fair |
| ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One answer. Times are those of `time.monotonic`."""

    tenant: str
    ended_at: float
    wait_s: float
    """How long it waited, as the gateway says."""
    turn_s: float
    """From its admission to the end of its answer."""
    tokens: float
    """Weighted as the order `fair` weights them."""


class Fleet:
    """Sessions of both tenants, each of which begins again when it has ended."""

    def __init__(self, replicas: Sequence[Server], seed: int) -> None:
        self.turns: list[Turn] = []
        self.failed = 0
        self._replicas = replicas
        self._random = Random(seed)

    async def live(self, tenant: str, number: int) -> None:
        """Be one agent until cancelled."""
        life = 0
        while True:
            name = f"{tenant}-{number}-{life}"
            messages = [{"role": "system", "content": f"{name} " * 60}]
            turns = self._random.randint(*TURNS)
            for turn in range(turns):
                messages.append({"role": "user", "content": f"turn {turn} of {name} " * 8})
                await self._ask(tenant, name, messages, is_last=turn == turns - 1)
                messages.append({"role": "assistant", "content": "done"})
                await asyncio.sleep(self._random.uniform(0.0, 0.1))
            life += 1

    async def _ask(self, tenant: str, name: str, messages: list[dict[str, str]], *, is_last: bool) -> None:
        headers = f"authorization: Bearer {tenant}\r\nx-session-id: {name}\r\n"
        headers += "x-session-end: true\r\n" if is_last else ""
        body = {"model": "emulated", "messages": messages, "max_tokens": 8}
        began, replica = time.monotonic(), self._random.choice(self._replicas)
        try:
            answer = await send(replica.port, "POST", "/v1/chat/completions", headers=headers, body=body)
        except Failed:
            self.failed += 1
            return
        ended = time.monotonic()
        usage = msgspec.json.decode(answer.body)["usage"]
        cached = usage["prompt_tokens_details"]["cached_tokens"]
        wait_s = float(answer.headers.get("x-concur-queue-wait-s", "0"))
        computed, generated = usage["prompt_tokens"] - cached, usage["completion_tokens"]
        tokens = weighted(computed=computed, cached=cached, generated=generated)
        turn_s = ended - began - wait_s
        self.turns.append(Turn(tenant=tenant, ended_at=ended, wait_s=wait_s, turn_s=turn_s, tokens=tokens))


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The figures of one run."""

    turns: tuple[Turn, ...]
    """Those of the time that is measured."""
    failed: int
    above: float

    def longest_wait_s(self, tenant: str) -> float:
        """The longest wait of this tenant."""
        return max((turn.wait_s for turn in self.turns if turn.tenant == tenant), default=0.0)

    @property
    def share(self) -> float:
        """The small tenant's part of the tokens."""
        tokens = sum(turn.tokens for turn in self.turns)
        return sum(turn.tokens for turn in self.turns if turn.tenant == "small") / max(tokens, 1e-9)

    @property
    def longest_turn_s(self) -> float:
        """The longest time from an admission to the end of the answer."""
        return max((turn.turn_s for turn in self.turns), default=0.0)


async def run(
    replicas: int, weight: float, *, large: int, measured_s: float, settle_s: float = SETTLE_S, seed: int = 1
) -> Outcome:
    """Run both tenants, or the small one alone if `large` is 0. Each of them works for `settle_s` before it counts."""
    with tempfile.TemporaryDirectory() as folder:
        keys = Path(folder) / "keys.toml"
        keys.write_text(_key("small", weight) + _key("large", 1.0))
        flags = (*GATEWAY_FLAGS, "--client-keys-file", str(keys))
        async with Cluster(replicas=replicas, engines=1, engine_flags=ENGINE_FLAGS, gateway_flags=flags) as cluster:
            fleet, above = Fleet(cluster.replicas, seed), [0.0]
            tasks = [asyncio.create_task(fleet.live("large", number)) for number in range(large)]
            await asyncio.sleep(settle_s if large else 0.0)
            tasks += [asyncio.create_task(fleet.live("small", number)) for number in range(SMALL)]
            tasks.append(asyncio.create_task(_sample(cluster.engines[0], above)))
            await asyncio.sleep(settle_s)
            began = time.monotonic()
            await asyncio.sleep(measured_s)
            ended = time.monotonic()
            for task in tasks:
                task.cancel()
            for task in tasks:
                with suppress(asyncio.CancelledError):
                    await task
    turns = tuple(turn for turn in fleet.turns if began <= turn.ended_at < ended)
    return Outcome(turns=turns, failed=fleet.failed, above=above[0])


def _key(tenant: str, weight: float) -> str:
    digest = hashlib.sha256(tenant.encode()).hexdigest()
    return f'[[keys]]\nsha256 = "{digest}"\ntenant = "{tenant}"\nweight = {weight}\n'


async def _sample(engine: Server, most: list[float]) -> None:
    while True:
        samples = await metrics(engine) or {}
        wanted = {"vllm:num_requests_running", "vllm:num_requests_waiting"}
        requests = sum(value for (name, _), value in samples.items() if name in wanted)
        most[0] = max(most[0], requests - WINDOW)
        await asyncio.sleep(SAMPLE_S)


def is_fair(shared: Outcome, alone: Outcome, due: float) -> bool:
    """Whether the run meets the bars."""
    wait_s, alone_s = shared.longest_wait_s("small"), alone.longest_wait_s("small")
    has_share = abs(shared.share - due) <= MOST_OFF
    return has_share and wait_s <= 2 * alone_s + shared.longest_turn_s and not shared.failed and shared.above <= 0


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table. The exit status is 1 if a run is not fair."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.tenants_over_http",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seconds", type=float, default=MEASURED_S, help="length of each run that is measured")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(arguments)
    print(HEAD)
    fair = []
    for replicas in REPLICAS:
        alone = asyncio.run(run(replicas, 1.0, large=0, measured_s=given.seconds, seed=given.seed))
        for weight in WEIGHTS:
            shared = asyncio.run(run(replicas, weight, large=LARGE, measured_s=given.seconds, seed=given.seed))
            due = weight / (weight + 1.0)
            fair.append(is_fair(shared, alone, due))
            print(
                f"| {replicas} | {weight:g} : 1 | {100 * due:.0f} % | {100 * shared.share:.1f} % "
                f"| {len(shared.turns)} | {shared.longest_wait_s('small'):.2f} | {alone.longest_wait_s('small'):.2f} "
                f"| {shared.longest_turn_s:.2f} | {shared.longest_wait_s('large'):.1f} | {max(0.0, shared.above):g} "
                f"| {shared.failed} | {'yes' if fair[-1] else 'no'} |"
            )
    if not all(fair):
        sys.exit(1)


if __name__ == "__main__":
    main()
