"""A real vLLM server in the environment that `tests.real_engine.install` makes, with a model of random weights."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Self

import httpx

from tests.benchmarks.process import free_port
from tests.real_engine.install import DEFAULT_VENV, venv_python

BLOCK_TOKENS = 32
CONTEXT_TOKENS = 4096
"""Longest request. vLLM wants the cache to have room for one, and keeps a block for itself."""
START_TIMEOUT_S = 180.0
STOP_TIMEOUT_S = 20.0
LIFETIME_S = 7200

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
    "HF_HUB_OFFLINE": "1",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    # this enables the administration paths of the server, among them the one that resets the cache
    "VLLM_SERVER_DEV_MODE": "1",
    "VLLM_ENABLE_RESPONSES_API_STORE": "1",
    # with a cache of its compiled files, Python starts in a third of the time
    "PYTHONDONTWRITEBYTECODE": "",
}


class ServerFailed(Exception):  # noqa: N818 - says what happened
    """vLLM did not start. The message contains the end of its log."""


class VllmServer:
    """A server that can be killed and started again on the same port. As a context manager it starts and stops."""

    def __init__(
        self,
        size: str,
        *flags: str,
        kv_blocks: int = 256,
        venv: Path = DEFAULT_VENV,
        tells_cached: bool = True,
        ranks: int = 1,
        environment: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """`ranks` is the number of data-parallel engines behind the port. Each has `kv_blocks` and its own core."""
        self.model = size
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = venv / "logs" / f"vllm-{self.port}.log"
        self.kv_blocks = kv_blocks
        """Size of the cache from the next start on, in blocks."""
        self._venv = venv
        self._flags = (
            *FLAGS,
            *((TELLS_CACHED,) if tells_cached else ()),
            *(("--data-parallel-size", str(ranks)) if ranks > 1 else ()),
            *("--dtype", fastest_dtype()),
            *flags,
        )
        self.ranks = ranks
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start, and return when it serves. Makes the model first if it is missing."""
        folder = model_folder(self.model, self._venv)
        command = (
            # this process may be killed before it can end the server
            *("setpriv", "--pdeathsig", "TERM", "timeout", "--kill-after=10", str(LIFETIME_S)),
            str(venv_python(self._venv)),
            *("-m", "vllm.entrypoints.openai.api_server", "--model", str(folder), "--served-model-name", self.model),
            *("--host", "127.0.0.1", "--port", str(self.port)),
            *("--num-gpu-blocks-override", str(self.kv_blocks), *self._flags),
        )
        self.log.parent.mkdir(exist_ok=True)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # another folder, so that no file of this repository hides an installed module
                cwd=self.log.parent,
                env={
                    **os.environ,
                    **ENVIRONMENT,
                    "VLLM_CPU_OMP_THREADS_BIND": "|".join(map(str, range(self.ranks))),
                    **self._environment,
                },
                # A process group can be ended as a whole. A new session would not do: where the kernel schedules by
                # session (autogroup), vLLM spins on sched_yield and starves all others on its cores for seconds (seen
                # with Linux 6.18).
                process_group=0,
            )
        try:
            self._wait_healthy()
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """End it in order, and then by force what is left."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_TIMEOUT_S)
            self.kill()

    def kill(self) -> None:
        """End the whole process group, as a crash would."""
        process, self._process = self._process, None
        if process is None:
            return
        with suppress(ProcessLookupError):  # all processes have ended
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def reset_prefix_cache(self) -> None:
        """Empty the prefix cache, as after a fresh start. No request may be in flight."""
        answer = httpx.post(f"{self.url}/reset_prefix_cache", timeout=30, trust_env=False)
        if not answer.is_success or not answer.json()["success"]:
            raise RuntimeError(f"the prefix cache was not reset: {answer.status_code} {answer.text}")

    def _wait_healthy(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        with httpx.Client(timeout=5, trust_env=False) as client:
            while time.monotonic() < deadline:
                if self._process is not None and self._process.poll() is not None:
                    raise ServerFailed(f"vLLM ended with status {self._process.returncode}:\n{self._log_end()}")
                with suppress(httpx.TransportError):
                    if client.get(f"{self.url}/health").is_success:
                        return
                time.sleep(0.25)
        raise ServerFailed(f"vLLM did not serve within {START_TIMEOUT_S:g} s:\n{self._log_end()}")

    def _log_end(self) -> str:
        return "\n".join([*self.log.read_text(errors="replace").splitlines()[-30:], f"(the whole log: {self.log})"])


def fastest_dtype() -> str:
    """bfloat16 if the processor supports it. Elsewhere it is emulated, and six times as slow as float32."""
    flags = Path("/proc/cpuinfo").read_text()
    return "bfloat16" if "avx512_bf16" in flags or "amx_bf16" in flags else "float32"


def model_folder(size: str, venv: Path = DEFAULT_VENV) -> Path:
    """The folder of the model of this size in the engine's environment. It is made if it is missing."""
    folder = venv / "models" / size
    if not (folder / "model.safetensors").exists():
        script = Path(__file__).with_name("model.py")
        subprocess.run(
            [venv_python(venv), script, "--size", size, folder], check=True, env={**os.environ, **ENVIRONMENT}
        )
    return folder
