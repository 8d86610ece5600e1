"""Proxies in Python that are no packages: the router of vLLM's production stack, and ThunderAgent."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from tests.benchmarks.process import free_port, started
from tests.benchmarks.relay.environments import installed
from tests.benchmarks.relay.proxies import Start, Way

STACK, THUNDER = "production-stack", "ThunderAgent"
SOURCES = {
    STACK: "git+https://github.com/vllm-project/production-stack@a6c01db0",
    THUNDER: "git+https://github.com/ThunderAgent-org/ThunderAgent@a7eef77",
}
"""What pip installs: the last commits that were read."""
NEWER_PYTHONS = ("python3.12", "python3.13")
"""production-stack needs one of them, and does not have to run with the gateway's own."""


def python_peers(environments: Path, sources: Mapping[str, str]) -> tuple[dict[str, Start], list[str]]:
    """Those that can run on this machine, and the names of the others. `sources` are installed instead of `SOURCES`."""
    starts: dict[str, Start] = {}
    python = next(filter(None, map(shutil.which, NEWER_PYTHONS)), None)
    sources = SOURCES | dict(sources)
    if python is not None:
        stack = installed(STACK, environments, source=sources[STACK], python=python)
        starts |= {} if stack is None else {STACK: partial(production_stack, environment=stack)}
    thunder = installed(THUNDER, environments, source=sources[THUNDER])
    starts |= {} if thunder is None else {THUNDER: partial(thunder_agent, environment=thunder)}
    return starts, [name for name in SOURCES if name not in starts]


@contextmanager
def production_stack(engine_port: int, environment: Path) -> Iterator[Way]:
    """The router of vLLM's production stack, which keeps sessions at their engine."""
    port = free_port()
    python = str(environment / "bin" / "python")
    own = ("--host", "127.0.0.1", "--port", str(port), "--log-level", "error")
    engine = ("--service-discovery", "static", "--static-backends", f"http://127.0.0.1:{engine_port}")
    sessions = ("--routing-logic", "session", "--session-key", "x-session-id")
    with started([python, "-m", "vllm_router.app", *own, *engine, "--static-models", "m", *sessions], port=port) as pid:
        yield Way(port=port, pid=pid)


@contextmanager
def thunder_agent(engine_port: int, environment: Path, flags: Sequence[str] = ()) -> Iterator[Way]:
    """ThunderAgent with its default scheduling."""
    port = free_port()
    python = str(environment / "bin" / "python")
    engine = ("--backends", f"http://127.0.0.1:{engine_port}", "--backend-type", "vllm", "--metrics")
    own = ("--host", "127.0.0.1", "--port", str(port), "--log-level", "error")
    with started([python, "-m", "ThunderAgent", *own, *engine, *flags], port=port) as pid:
        yield Way(port=port, pid=pid)
