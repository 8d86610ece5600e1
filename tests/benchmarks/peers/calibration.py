"""What vllm-router wants to know of an engine: its cache and seven coefficients."""

import json
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import httpx

from concur_proxy.lab.recorded.least_squares import Row, least_squares
from concur_proxy.lab.server.options import EmulatorOptions

PROMPT_TOKENS = (250, 500, 1_000, 2_000, 3_500)
"""The longest fits into the context of real vLLM here, which has 4,096 tokens."""
DECODE_TOKENS = (250, 800)
"""A batch of the largest fits into its cache."""
FIRST_WORDS = 100
BATCHES = (1, 4, 8)
ANSWER_TOKENS = 12
ALPHA = 0.15
"""vllm-router's default: its calibration does not measure this one."""

LEAST_STEP_S = 1e-4
"""Shorter steps are errors of measurement: tokens of several steps came at once."""
BATCH = 24
"""Requests in a batch, for the share of decoding that is left while prompts are computed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """The figures of one engine. Times are in seconds."""

    capacity_tokens: int
    prefill_s: float
    """Constant part of computing a prompt."""
    prefill_s_per_1k: float
    decode_alpha: float
    """Share of the decoding speed that is left while prompts are computed."""
    step_s: float
    """Constant part of a step that decodes."""
    step_s_per_request: float
    prefill_s_per_1k_squared: float = 0.0
    step_s_per_context_token: float = 0.0

    @classmethod
    def of_emulated(cls, engine: EmulatorOptions) -> "Calibration":
        """Exact figures, from the cost model: prompts are computed in steps of up to `token_budget` tokens."""
        decoding_s = engine.step_s + BATCH * engine.decode_s
        return cls(
            capacity_tokens=engine.capacity_tokens,
            prefill_s=engine.step_s,
            prefill_s_per_1k=1_000 / engine.prefill_tokens_s + engine.step_s * 1_000 / engine.token_budget,
            decode_alpha=decoding_s / (decoding_s + engine.token_budget / engine.prefill_tokens_s),
            step_s=engine.step_s,
            step_s_per_request=engine.decode_s,
        )

    def config(self) -> dict[str, object]:
        """The fields of vllm-router's program scheduling."""
        return {
            "token_capacity_per_target": self.capacity_tokens,
            "prefill_cost_model": {
                "intercept_seconds": self.prefill_s,
                "linear_seconds_per_1k_tokens": self.prefill_s_per_1k,
                "quadratic_seconds_per_1k_tokens_squared": self.prefill_s_per_1k_squared,
                "decode_throughput_alpha": self.decode_alpha,
            },
            "decode_throughput_model": {
                "fixed_step_seconds": self.step_s,
                "batch_step_seconds_per_request": self.step_s_per_request,
                "context_step_seconds_per_token": self.step_s_per_context_token,
            },
        }


def measured(url: str, model: str, capacity_tokens: int) -> Calibration:
    """Measure an engine as the router's documentation says: cold prompts of several lengths one at a time, and batches
    that decode with a short and with a long context.
    """
    with httpx.Client(base_url=url, timeout=120.0, trust_env=False) as client:
        ask = partial(_ask, client, model)
        words_per_token = FIRST_WORDS / ask("first prompt", FIRST_WORDS, 1).prompt_tokens
        lengths = [round(tokens * words_per_token) for tokens in PROMPT_TOKENS]
        prefills = [ask(f"prompt {words}", words, 1) for words in lengths]
        contexts = [round(tokens * words_per_token) for tokens in DECODE_TOKENS]
        decodes = [_decode(ask, batch, words) for words in contexts for batch in BATCHES]
    prompts = [Row((1.0, asked.prompt_tokens / 1e3, (asked.prompt_tokens / 1e3) ** 2), asked.s) for asked in prefills]
    prefill_s, linear_s, squared_s = least_squares(prompts, (0.01, 0.1, 0.0))
    step_s, request_s, token_s = least_squares(decodes, (0.01, 0.001, 0.0))
    return Calibration(
        capacity_tokens=capacity_tokens,
        prefill_s=prefill_s,
        prefill_s_per_1k=linear_s,
        prefill_s_per_1k_squared=squared_s,
        decode_alpha=ALPHA,
        step_s=max(step_s, LEAST_STEP_S),
        step_s_per_request=request_s,
        step_s_per_context_token=token_s,
    )


@dataclass(frozen=True, slots=True)
class _Asked:
    prompt_tokens: int
    s: float
    """The whole request."""
    token_s: float
    """Between two tokens of the answer."""


def _decode(ask: partial[_Asked], batch: int, words: int) -> Row:
    with ThreadPoolExecutor(batch) as pool:
        names = [f"{batch} at once, {words} words, number {number}" for number in range(batch)]
        asked: Sequence[_Asked] = list(pool.map(lambda name: ask(name, words, ANSWER_TOKENS), names))
    context = sum(each.prompt_tokens + ANSWER_TOKENS / 2 for each in asked)
    # the fastest one decodes while no prompt is computed any more
    return Row((1.0, float(batch), context), min(each.token_s for each in asked))


def _ask(client: httpx.Client, model: str, name: str, words: int, answer_tokens: int) -> _Asked:
    prompt = f"{name} " + " ".join(f"word{number:04}" for number in range(words))
    body = {
        "model": model,
        "messages": [{"role": "user", "content": prompt}],
        "max_tokens": answer_tokens,
        "ignore_eos": True,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    began = time.monotonic()
    times: list[float] = []
    usage: dict[str, int] = {}
    with client.stream("POST", "/v1/chat/completions", json=body) as response:
        response.raise_for_status()
        for line in response.iter_lines():
            if line.startswith("data: {"):
                event = json.loads(line.removeprefix("data: "))
                usage = event.get("usage") or usage
                times += [time.monotonic()] if event["choices"] else []
    ended = times[-1]
    token_s = (ended - times[0]) / max(1, answer_tokens - 1)
    return _Asked(usage["prompt_tokens"], ended - began, max(token_s, LEAST_STEP_S))
