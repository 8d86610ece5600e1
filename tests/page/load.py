"""Agents at work on emulated engines, so that the page has something to show: alone, or in families."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import httpx

from concur_proxy.lab.demo import servers
from tests.http.running_gateway import RunningGateway, running_gateway
from tests.page.families import Family, client_keys_file, fleet

TASK = "Find the failing test. " * 40
LONGEST = 8_000
"""A history of more characters than this is compacted."""
MOST_MESSAGES = 40
SLOW_ENGINE = ("--capacity-tokens", "48000", "--step-s", "0.2", "--prefill-tokens-s", "2500")
"""An engine with few steps, so that it needs little of the machine, for which computing prompts again is expensive."""

PATIENT: dict[str, object] = {
    "scrape_interval_s": 2.0,
    "scrape_timeout_s": 60.0,
    "stale_after_s": 600.0,
    "fail_open_after_s": 600.0,
    "connect_timeout_s": 60.0,
}
"""Settings with which a machine that has much else to do looks like an engine at work, and not like a broken one."""


@asynccontextmanager
async def busy_gateway(*, agents: int = 6, **settings: object) -> AsyncIterator[RunningGateway]:
    """A gateway with two places, used by this number of agents until the block ends."""
    values: dict[str, object] = {"law": "static", "law_options": {"window": 2}, "work_conserving": False, **settings}
    names = [f"agent-{number}" for number in range(1, agents + 1)]
    async with (
        servers.engine("--capacity-tokens", "8000") as engine,
        running_gateway(engine, **values) as gateway,
        _working(gateway, [_work(gateway, name) for name in names]),
    ):
        yield gateway


@asynccontextmanager
async def busy_fleet(*, families: int, places: int, engines: int = 2) -> AsyncIterator[RunningGateway]:
    """A gateway for several engines with so many places at each, used by so many families of three tenants with
    different weights.

    Each family is one session.
    """
    law: dict[str, object] = {"law": "static", "law_options": {"window": places}, "work_conserving": False}
    async with AsyncExitStack() as stack:
        urls = [await stack.enter_async_context(servers.engine(*SLOW_ENGINE)) for _ in range(engines)]
        keys = stack.enter_context(client_keys_file())
        gateway = await stack.enter_async_context(
            running_gateway(*urls, **{**PATIENT, **law, "client_keys_file": keys})
        )
        await gateway.until(lambda: all(monitor.rates is not None for monitor in gateway.app.monitors))
        unlimited = httpx.Limits(max_connections=None, max_keepalive_connections=None)
        client = httpx.AsyncClient(base_url=gateway.url, timeout=600, trust_env=False, limits=unlimited)
        await stack.enter_async_context(client)
        work = [_live(client, family, delay_s=0.1 * family.number) for family in fleet(families)]
        await stack.enter_async_context(_working(gateway, work))
        yield gateway


@asynccontextmanager
async def _working(gateway: RunningGateway, work: Sequence[Coroutine[None, None, None]]) -> AsyncIterator[None]:
    working = [asyncio.create_task(each) for each in work]
    try:
        yield
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


class _Agent:
    """One conversation that grows, and begins again when it is too long."""

    def __init__(self, client: httpx.AsyncClient, headers: dict[str, str], task: str) -> None:
        self._client = client
        self._headers = headers
        self._messages = [{"role": "user", "content": f"{task}. {TASK}"}]

    async def turn(self) -> None:
        """Ask, and add the answer and a tool's result to the history."""
        body = {"model": "emulated", "messages": self._messages, "max_tokens": 24}
        with suppress(httpx.HTTPError):
            answer = await self._client.post("/v1/chat/completions", json=body, headers=self._headers)
            assert answer.status_code in {200, 503}, answer.text
            if answer.status_code == httpx.codes.OK:
                text = answer.json()["choices"][0]["message"]["content"]
                result = f"They found {len(self._messages)}. " * 8
                self._messages += [{"role": "assistant", "content": text}, {"role": "user", "content": result}]
        if len(self._messages) > MOST_MESSAGES:
            del self._messages[1:]


async def _live(client: httpx.AsyncClient, family: Family, *, delay_s: float) -> None:
    """A main agent that waits for its sub-agents between two of its turns."""
    await asyncio.sleep(delay_s)
    main, *others = (_Agent(client, headers, f"{family.name} {name}") for name, headers in family.members())
    while True:
        await main.turn()
        for _ in range(1 + family.number % 3):
            await asyncio.gather(*(each.turn() for each in others))
        await asyncio.sleep(2)
