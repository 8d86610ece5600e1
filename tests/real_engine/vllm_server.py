"""A real vLLM server in the environment that `tests.real_engine.install` makes, with a model of random weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar

import httpx

from tests.real_engine.install import VLLM, VLLM_VENV
from tests.real_engine.models import fastest_dtype
from tests.real_engine.server import CONTEXT_TOKENS, EngineServer

BLOCK_TOKENS = 32
FLAGS: Sequence[str] = (
    "--enforce-eager",
    *("--block-size", str(BLOCK_TOKENS)),
    *("--max-model-len", str(CONTEXT_TOKENS)),
    *("--max-num-batched-tokens", "1024"),
    "--enable-prefix-caching",
)
TELLS_CACHED = "--enable-prompt-tokens-details"
"""Each answer reports how much of its prompt was in the cache."""
ENVIRONMENT: Mapping[str, str] = {
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    # this enables the administration paths of the server, among them the one that resets the cache
    "VLLM_SERVER_DEV_MODE": "1",
    "VLLM_ENABLE_RESPONSES_API_STORE": "1",
}


class VllmServer(EngineServer):
    """vLLM on one core per rank."""

    kind: ClassVar[str] = "vllm"
    release: ClassVar[str] = VLLM
    start_timeout_s: ClassVar[float] = 180.0

    def __init__(
        self,
        size: str,
        *flags: str,
        capacity_tokens: int = 8192,
        tells_cached: bool = True,
        ranks: int = 1,
        port: int | None = None,
        environment: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """`ranks` is the number of data-parallel engines behind the port. Each has its own cache and its own core."""
        cores = {"VLLM_CPU_OMP_THREADS_BIND": "|".join(map(str, range(ranks)))}
        super().__init__(
            size,
            port=port,
            capacity_tokens=capacity_tokens,
            venv=VLLM_VENV,
            dtype=fastest_dtype(),
            environment={**ENVIRONMENT, **cores, **environment},
        )
        self._flags = (
            *FLAGS,
            *((TELLS_CACHED,) if tells_cached else ()),
            *(("--data-parallel-size", str(ranks)) if ranks > 1 else ()),
            *flags,
        )

    def in_flight(self) -> float:
        return self.read("vllm:num_requests_running") + self.read("vllm:num_requests_waiting")

    def finished(self) -> float:
        return self.read("vllm:request_success_total")

    def generated_tokens(self) -> float:
        return self.read("vllm:generation_tokens_total")

    def reset_prefix_cache(self) -> None:
        answer = httpx.post(f"{self.url}/reset_prefix_cache", timeout=30, trust_env=False)
        if not answer.is_success or not answer.json()["success"]:
            raise RuntimeError(f"the prefix cache was not reset: {answer.status_code} {answer.text}")

    def _arguments(self, folder: Path) -> Sequence[str]:
        return (
            *("-m", "vllm.entrypoints.openai.api_server", "--model", str(folder), "--served-model-name", self.model),
            *("--host", "127.0.0.1", "--port", str(self.port), "--dtype", self.dtype),
            *("--num-gpu-blocks-override", str(self.capacity_tokens // BLOCK_TOKENS), *self._flags),
        )
