"""One real vLLM in a long soak, where `tests.real_engine.install` has installed it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.real_engine.install import VLLM, VLLM_VENV, is_installed
from tests.real_engine.vllm_server import VllmServer

LONG_MINUTES = 5.0
"""Shorter soaks do without: its start takes about a minute."""
CAPACITY_TOKENS = 32768


@asynccontextmanager
async def real_engine(*, minutes: float, model: str) -> AsyncIterator[VllmServer | None]:
    """A vLLM that serves a tiny model by this name while the block runs; None without one."""
    if not takes_part(minutes):
        yield None
        return
    server = VllmServer("tiny", "--served-model-name", model, capacity_tokens=CAPACITY_TOKENS)
    try:
        await asyncio.to_thread(server.start)
        yield server
    finally:
        await asyncio.to_thread(server.stop)


def takes_part(minutes: float) -> bool:
    """Whether a soak of this length has a real engine."""
    return minutes >= LONG_MINUTES and is_installed(VLLM_VENV)


def told(minutes: float) -> str:
    """For the record."""
    if takes_part(minutes):
        return f"Engines: three emulated or hostile ones, and a real {VLLM}."
    why = "vLLM is not installed here" if minutes >= LONG_MINUTES else f"it takes part from {LONG_MINUTES:g} minutes on"
    return f"Engines: three emulated or hostile ones. No real one: {why}."
