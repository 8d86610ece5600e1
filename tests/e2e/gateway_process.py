"""Runs the gateway as its users do, in a process of its own."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx


@dataclass(slots=True, kw_only=True)
class GatewayProcess:
    """A running `concur-proxy serve`."""

    process: asyncio.subprocess.Process
    url: str
    client: httpx.AsyncClient

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    async def ended(self) -> tuple[int, str]:
        """The exit status and the log. Waits at most 60 s for the end."""
        _, errors = await asyncio.wait_for(self.process.communicate(), 60)
        assert self.process.returncode is not None
        return self.process.returncode, errors.decode()

    async def chat(self, session: str, **extra: object) -> httpx.Response:
        """Send a chat completion of this session."""
        body = {"model": "m", "messages": [], **extra}
        return await self.client.post("/v1/chat/completions", json=body, headers={"x-session-id": session})

    async def held(self) -> int:
        """The number of waiting requests."""
        lines = (await self.client.get("/metrics")).text.splitlines()
        return int(next(float(line.rpartition(" ")[2]) for line in lines if line.startswith("concur_held_requests{")))

    async def until_held(self, number: int) -> None:
        """Wait until this number of requests wait."""
        async with asyncio.timeout(30):
            while await self.held() != number:
                await asyncio.sleep(0.01)


@asynccontextmanager
async def gateway_process(*arguments: str) -> AsyncIterator[GatewayProcess]:
    """A gateway with these arguments on a free port. It is killed at the end if it still runs."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "concur_proxy", "serve", "--port", "0", *arguments,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        url = (await asyncio.wait_for(process.stdout.readline(), 60)).decode().split()[-1]
        async with httpx.AsyncClient(base_url=url, timeout=60, trust_env=False) as client:
            yield GatewayProcess(process=process, url=url, client=client)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
