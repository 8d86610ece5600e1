"""The processes that a demo starts: an emulated engine and a gateway, each on a free port."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import httpx

COMMAND = (sys.executable, "-m", "concur_proxy")
START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 10.0


class ServerFailed(Exception):  # noqa: N818 - the name says what happened
    """A server of the demo did not start."""


@asynccontextmanager
async def engine(*arguments: str) -> AsyncIterator[str]:
    """An emulated engine with these command-line arguments; yields its URL."""
    async with _serve("engine", "--port", "0", *arguments) as url:
        yield url


@asynccontextmanager
async def engine_or(url: str | None, *arguments: str) -> AsyncIterator[str]:
    """The engine at `url`; if that is None, an emulated engine with these arguments."""
    if url is not None:
        yield url
        return
    async with engine(*arguments) as own:
        yield own


@asynccontextmanager
async def gateway(engine_url: str, *arguments: str) -> AsyncIterator[str]:
    """A gateway in front of `engine_url`; yields its URL."""
    async with _serve("serve", "--engine", engine_url, "--port", "0", *arguments) as url:
        yield url


@asynccontextmanager
async def _serve(command: str, *arguments: str) -> AsyncIterator[str]:
    process = await asyncio.create_subprocess_exec(*COMMAND, command, *arguments, stdout=asyncio.subprocess.PIPE)
    try:
        async with asyncio.timeout(START_TIMEOUT_S):
            url = await _read_url(process, command)
            await _wait_healthy(url)
        yield url
        if process.returncode is None:
            process.terminate()
            with suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)
    finally:
        if process.returncode is None:  # interrupted, or it does not end
            process.kill()
            await process.wait()


async def _read_url(process: asyncio.subprocess.Process, command: str) -> str:
    """Read the URL from the line that the command prints when it listens. The URL is the last word of that line."""
    if process.stdout is None:
        raise ServerFailed(f"concur-proxy {command} has no output to read")
    line = (await process.stdout.readline()).decode().strip()
    if not line:
        raise ServerFailed(f"concur-proxy {command} ended with exit code {await process.wait()}")
    return line.rsplit(" ", 1)[-1]


async def _wait_healthy(url: str) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        while True:
            try:
                if (await client.get(f"{url}/health")).status_code == httpx.codes.OK:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.05)
