"""A few agents at work before an emulated engine, for the page to show."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from concur_proxy.demo import servers
from tests.api.running_gateway import RunningGateway, running_gateway


@asynccontextmanager
async def busy_gateway(*, agents: int = 6, **settings: object) -> AsyncIterator[RunningGateway]:
    """A gateway with two places and so many agents, which work until the block ends."""
    values: dict[str, object] = {"law": "static", "law_options": {"window": 2}, "work_conserving": False, **settings}
    async with servers.engine() as engine, running_gateway(engine, **values) as gateway:
        working = [asyncio.create_task(_work(gateway, f"agent-{number}")) for number in range(1, agents + 1)]
        try:
            yield gateway
        finally:
            gateway.app.drain()
            for task in working:
                task.cancel()
            await asyncio.gather(*working, return_exceptions=True)


async def _work(gateway: RunningGateway, name: str) -> None:
    history = "Find the failing test. " * 40
    while True:
        with suppress(OSError):
            await gateway.chat(name, messages=[{"role": "user", "content": history}], max_tokens=24)
        history += f"It printed {len(history)}. "
        await asyncio.sleep(0.1)
