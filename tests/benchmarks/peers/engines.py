"""The engines of the comparison: emulated, or real vLLM where it is installed."""

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

import httpx
from prometheus_client.parser import text_string_to_metric_families

from concur_proxy.lab.demo.options import engine_flags
from concur_proxy.lab.server.clockwork import CLOCK_PATH
from tests.benchmarks.peers.calibration import Calibration
from tests.benchmarks.peers.calibration import measured as calibrated
from tests.benchmarks.peers.loads import ENGINE, Load
from tests.benchmarks.process import free_port, running
from tests.real_engine.fleet import CAPACITY_TOKENS, LOADS, prompt_tokens, workload_of
from tests.real_engine.install import VLLM_VENV, is_installed
from tests.real_engine.models import fitting_model
from tests.real_engine.vllm_server import VllmServer

REAL_AGENTS, REAL_TURNS, REAL_TOOLS_S = 16, 10, (0.5, 1.5)
Open = Callable[[], AbstractContextManager["Engine"]]
"""Opens an engine with an empty cache."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """An engine that serves."""

    port: int
    model: str
    calibration: Calibration
    is_real: bool = False

    def read(self) -> dict[str, float]:
        """The counters of cache hits, and for an emulated engine its clock."""
        url = f"http://127.0.0.1:{self.port}"
        values: dict[str, float] = {}
        if not self.is_real:
            values |= httpx.get(url + CLOCK_PATH, trust_env=False).json()
        for family in text_string_to_metric_families(httpx.get(f"{url}/metrics", trust_env=False).text):
            for sample in family.samples:
                if sample.name in ("vllm:prefix_cache_hits_total", "vllm:prefix_cache_queries_total"):
                    values[sample.name] = values.get(sample.name, 0.0) + sample.value
        return values


@contextmanager
def emulated() -> Iterator[Engine]:
    """A new emulated engine."""
    port = free_port()
    with running("concur_proxy", "engine", "--port", str(port), *engine_flags(ENGINE), port=port, core=None):
        yield Engine(port=port, model=ENGINE.model, calibration=Calibration.of_emulated(ENGINE))


@contextmanager
def real_vllm(kind: str, seed: int, *, model: str | None) -> Iterator[tuple[Load, Open]]:
    """One vLLM server for all arms, whose cache is emptied for each, and the load in its tokens. `kind` is one of
    `tests.real_engine.fleet`. Without a model, the one that fits this machine's speed.
    """
    name = model or fitting_model("vllm", prompt_tokens("vllm"))
    with VllmServer(name, capacity_tokens=CAPACITY_TOKENS["vllm"]) as server:
        asked = argparse.Namespace(load=kind, agents=REAL_AGENTS, turns=REAL_TURNS, tool_s=REAL_TOOLS_S, seed=seed)
        load = Load(
            name=real_name(kind),
            summary=real_summary(kind),
            workload=workload_of(server, asked),
            warm_up_agents=5,
            warm_up_turns=22,
            warm_up_growth=0.125,
        )
        calibration = calibrated(server.url, server.model, server.capacity_tokens)

        @contextmanager
        def open_again() -> Iterator[Engine]:
            _wait_until_idle(server)
            server.reset_prefix_cache()
            yield Engine(port=server.port, model=server.model, calibration=calibration, is_real=True)

        yield load, open_again


def _wait_until_idle(server: VllmServer) -> None:
    """Return when the server has ended the requests of an arm that was stopped. It empties no cache before."""
    deadline = time.monotonic() + 60.0
    while server.in_flight() and time.monotonic() < deadline:
        time.sleep(0.25)


def has_vllm() -> bool:
    """Whether real vLLM is installed (`python -m tests.real_engine.install vllm`)."""
    return is_installed(VLLM_VENV)


REAL = tuple(LOADS)
"""The loads of real vLLM."""


def real_name(kind: str) -> str:
    """The load's name in this comparison."""
    return f"vLLM, {kind}"


def real_summary(kind: str) -> str:
    """The load in words."""
    shared, first, growth = LOADS[kind]
    return (
        f"real vLLM on one core: {REAL_AGENTS} agents of {REAL_TURNS} turns ({shared:,} shared tokens, {first} first, "
        f"{growth} a turn), tools of {REAL_TOOLS_S[0]:g} to {REAL_TOOLS_S[1]:g} s"
    )
