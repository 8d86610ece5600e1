"""Cache hits that an engine reports in other places or units are hits: the window is the same as with its own hits.

Answers do not report their cached tokens here, as with vLLM's defaults, so the law compares what it has promised with
the engine's counters.
"""

import asyncio
import json
from dataclasses import dataclass

import pytest

from tests.http.running_gateway import RunningGateway, running_gateway
from tests.http.scripted_engine import Exchange, ScriptedEngine, scripted_engine

CAPACITY_TOKENS, BLOCK_TOKENS = 30_000, 16
FIRST_TOKENS, GROWTH_TOKENS, ANSWER_TOKENS = 1_600, 48, 16
BYTES_PER_TOKEN = 4
AGENTS, TURNS = 8, 25
PREFILL_TOKENS_S = 60_000.0
KEPT_WINDOW, LOST_WINDOW = 0.6, 0.4
"""Shares of the cache. A window begins at 0.9 and falls to 0.3 at least. A round of the law is one interval long here,
so an answer that ends between the engine's counters and the gateway's can cost one or two cuts on a busy machine.
"""

LABELS = '{engine="0",model_name="m"}'


@dataclass
class Reuse:
    """An engine that keeps every context, and says so in one of several ways."""

    way: str
    running: int = 0
    queries: int = 0
    hits: int = 0
    computed: int = 0

    async def answer(self, exchange: Exchange) -> None:
        """Answer a chat. All but its newest message is in the cache."""
        messages = json.loads(exchange.request.body)["messages"]
        sizes = [len(message["content"]) // BYTES_PER_TOKEN for message in messages]
        prompt = sum(sizes)
        cached = 0 if len(sizes) == 1 or self.way == "lost" else sum(sizes[:-1])
        self.running += 1
        await asyncio.sleep(0.02)
        self.running -= 1
        self.queries += prompt
        self.hits += cached
        self.computed += prompt - cached
        usage = {"prompt_tokens": prompt, "completion_tokens": ANSWER_TOKENS}
        message = {"role": "assistant", "content": "a" * ANSWER_TOKENS * BYTES_PER_TOKEN}
        await exchange.json({"choices": [{"index": 0, "message": message}], "usage": usage})

    async def metrics(self, exchange: Exchange) -> None:
        """The engine's metrics at this moment."""
        body = "\n".join([*self._gauges(), *self._counters(), ""]).encode()
        head = f"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {len(body)}\r\n\r\n"
        await exchange.send(head.encode() + body)

    def _gauges(self) -> list[str]:
        sizes = f'num_gpu_blocks="{CAPACITY_TOKENS // BLOCK_TOKENS}",kv_cache_size_tokens="{CAPACITY_TOKENS}"'
        return [
            f"vllm:num_requests_running{LABELS} {self.running}",
            f"vllm:num_requests_waiting{LABELS} 1",
            f"vllm:kv_cache_usage_perc{LABELS} 0.4",
            f'vllm:cache_config_info{{block_size="{BLOCK_TOKENS}",engine="0",{sizes}}} 1.0',
            f"vllm:request_prefill_kv_computed_tokens_sum{LABELS} {self.computed}",
            f"vllm:request_prefill_time_seconds_sum{LABELS} {self.computed / PREFILL_TOKENS_S}",
        ]

    def _counters(self) -> list[str]:
        if self.way == "blocks":
            return [
                line
                for name, value in (("queries", self.queries), ("hits", self.hits))
                for line in (
                    f"# HELP vllm:gpu_prefix_cache_{name}_total GPU prefix cache {name}, in terms of number of blocks.",
                    f"vllm:gpu_prefix_cache_{name}_total{LABELS} {value // BLOCK_TOKENS}",
                )
            ]
        own = {"own": self.hits, "half": self.hits // 2, "lost": 1}.get(self.way, 0)
        lines = [
            f"vllm:prefix_cache_queries_total{LABELS} {self.queries}",
            f"vllm:prefix_cache_hits_total{LABELS} {own}",
        ]
        if self.way in {"external", "half"}:
            lines += [
                f"vllm:external_prefix_cache_queries_total{LABELS} {self.queries - own}",
                f"vllm:external_prefix_cache_hits_total{LABELS} {self.hits - own}",
            ]
        return lines


async def _agent(gateway: RunningGateway, number: int) -> None:
    messages = [{"role": "user", "content": f"{number:04d}" * FIRST_TOKENS}]
    for turn in range(TURNS):
        answer = await gateway.chat(f"agent-{number}", messages=messages)
        messages += [
            answer.json()["choices"][0]["message"],
            {"role": "user", "content": f"{turn:04d}" * GROWTH_TOKENS},
        ]
        await asyncio.sleep(0.02)


async def _lowest_window(engine: ScriptedEngine, way: str) -> float:
    """The smallest window during a run, as a share of the cache."""
    reuse = Reuse(way)
    engine.script, engine.metrics_script = reuse.answer, reuse.metrics
    async with running_gateway(engine.url) as gateway:
        await gateway.until(lambda: gateway.snapshot().budget_tokens is not None)
        running = asyncio.gather(*(_agent(gateway, number) for number in range(AGENTS)))
        windows = [gateway.snapshot().budget_tokens or 0.0]
        while not running.done():
            await asyncio.sleep(0.05)
            windows.append(gateway.snapshot().budget_tokens or 0.0)
        await running
        promised = await gateway.metric("concur_promised_tokens_total")
    assert promised > 5 * CAPACITY_TOKENS, "several rounds were judged"
    return min(windows) / CAPACITY_TOKENS


@pytest.mark.parametrize("way", ["own", "external", "half", "blocks", "none counted"])
async def test_no_way_to_report_hits_lowers_the_window(way: str) -> None:
    async with scripted_engine() as engine:
        assert await _lowest_window(engine, way) > KEPT_WINDOW


async def test_real_losses_lower_it() -> None:
    async with scripted_engine() as engine:
        assert await _lowest_window(engine, "lost") < LOST_WINDOW
