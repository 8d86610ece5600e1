"""A real SGLang server in the environment that `tests.real_engine.install` makes, with a model of random weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import httpx

from tests.real_engine.install import SGLANG, SGLANG_VENV
from tests.real_engine.models import fastest_dtype
from tests.real_engine.server import CONTEXT_TOKENS, EngineServer

FLAGS: Sequence[str] = (
    *("--device", "cpu", "--attention-backend", "torch_native"),
    *("--context-length", str(CONTEXT_TOKENS)),
    *("--chunked-prefill-size", "1024"),
    "--enable-response-store",
    # otherwise an idle server takes a whole core
    "--sleep-on-idle",
)
TELLS_CACHED = "--enable-cache-report"
"""Each answer reports how much of its prompt was in the cache."""
ENVIRONMENT: Mapping[str, str] = {"OMP_NUM_THREADS": "1"}


class SglangServer(EngineServer):
    """SGLang with one computing thread."""

    kind: ClassVar[str] = "sglang"
    release: ClassVar[str] = SGLANG
    start_timeout_s: ClassVar[float] = 300.0

    def __init__(
        self,
        size: str,
        *flags: str,
        capacity_tokens: int = 6144,
        tells_cached: bool = True,
        has_metrics: bool = True,
        port: int | None = None,
    ) -> None:
        super().__init__(
            size,
            port=port,
            capacity_tokens=capacity_tokens,
            venv=SGLANG_VENV,
            dtype=fastest_dtype(),
            environment=ENVIRONMENT,
        )
        wanted = {TELLS_CACHED: tells_cached, "--enable-metrics": has_metrics}
        self._flags = (*FLAGS, *(flag for flag, is_wanted in wanted.items() if is_wanted), *flags)

    def stop(self) -> None:
        """End it by force: it takes an orderly end for a crash, and collects diagnostics for ten seconds."""
        self.kill()

    def in_flight(self) -> float:
        # its metrics say this only after a prefill batch and every 40 decode steps
        loads = httpx.get(f"{self.url}/v1/loads?include=core", timeout=30, trust_env=False).raise_for_status().json()
        return float(sum(load["num_running_reqs"] + load["num_waiting_reqs"] for load in loads["loads"]))

    def finished(self) -> float:
        # num_requests_total also counts those whose client has left; this one leaves out answers of one token
        return self.read("sglang:request_time_per_output_token_seconds_count")

    def generated_tokens(self) -> float:
        return self.read("sglang:generation_tokens_total")

    def reset_prefix_cache(self) -> None:
        answer = httpx.post(f"{self.url}/flush_cache", timeout=30, trust_env=False)
        if not answer.is_success:
            raise RuntimeError(f"the prefix cache was not reset: {answer.status_code} {answer.text}")

    def _arguments(self, folder: Path) -> Sequence[str]:
        return (
            *(str(Path(__file__).with_name("sglang_launcher.py")), "--model-path", str(folder)),
            *("--served-model-name", self.model, "--dtype", self.dtype),
            *("--host", "127.0.0.1", "--port", str(self.port)),
            *("--max-total-tokens", str(self.capacity_tokens), *self._flags),
        )
