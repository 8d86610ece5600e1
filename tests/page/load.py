"""A few agents at work on an emulated engine, so that the page has something to show."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from concur_proxy.lab.demo import servers
from tests.http.running_gateway import RunningGateway, running_gateway

TASK = "Find the failing test. " * 40
LONGEST = 8_000
"""A history of more characters than this is compacted."""


@asynccontextmanager
async def busy_gateway(*, agents: int = 6, **settings: object) -> AsyncIterator[RunningGateway]:
    """A gateway with two places, used by this number of agents until the block ends."""
    values: dict[str, object] = {"law": "static", "law_options": {"window": 2}, "work_conserving": False, **settings}
    async with servers.engine("--capacity-tokens", "8000") as engine, running_gateway(engine, **values) as gateway:
        working = [asyncio.create_task(_work(gateway, f"agent-{number}")) for number in range(1, agents + 1)]
        try:
            yield gateway
        finally:
            gateway.app.drain()
            for task in working:
                task.cancel()
            await asyncio.gather(*working, return_exceptions=True)


async def _work(gateway: RunningGateway, name: str) -> None:
    history = TASK
    while True:
        with suppress(OSError):
            messages = [{"role": "user", "content": history}]
            answer = await gateway.chat(name, model="emulated", messages=messages, max_tokens=40)
            assert answer.status_code in {200, 503}, answer.text
        history += f"It printed {len(history)}. " * 10
        if len(history) > LONGEST:
            history = TASK
        await asyncio.sleep(0.1)
