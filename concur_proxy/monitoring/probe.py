"""Asks one engine one question again and again."""

import asyncio
import time
from collections.abc import Callable
from random import Random

import httpx

from concur_proxy.monitoring.loop_guard import LoopGuard

MAX_BODY_BYTES = 4 * 1024 * 1024
"""A list of thousands of adapters has less."""
JITTER = 0.1
"""Probes of several engines, or by several gateways, must not fall into step."""

OnAnswer = Callable[[int, bytes], None]
OnSilence = Callable[[str], None]


class EngineProbe:
    """One path's loop. Each has a task of its own, so a slow engine delays no other, nor its own scrapes."""

    def __init__(
        self,
        url: str,
        client: httpx.AsyncClient,
        *,
        interval_s: float,
        timeout_s: float,
        on_answer: OnAnswer,
        on_silence: OnSilence,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`on_answer` hears status and body, `on_silence` in words why none came."""
        self._url = url
        self._client = client
        self._interval_s = interval_s
        self._timeout_s = timeout_s
        self._on_answer = on_answer
        self._on_silence = on_silence
        self._clock = clock
        self._random = Random()  # noqa: S311 - jitter, no secret
        self._hurry = asyncio.Event()
        self._guard = LoopGuard(f"asking {url}")

    def hurry(self) -> None:
        """Ask again at once: the answer is probably another one now."""
        self._hurry.set()

    async def run(self) -> None:
        """Ask until cancelled, with `interval_s` from start to start."""
        while True:
            began = self._clock()
            self._hurry.clear()
            await self._guard.attempt(self.ask)
            pause = self._interval_s * self._random.uniform(1 - JITTER, 1 + JITTER)
            try:
                async with asyncio.timeout(max(0.0, began + pause - self._clock())):
                    await self._hurry.wait()
            except TimeoutError:
                pass

    async def ask(self) -> None:
        """One question, told to one of the two listeners."""
        try:
            async with asyncio.timeout(self._timeout_s):
                status, body = await self._fetch()
        except TimeoutError:
            self._on_silence(f"no answer from {self._url} within {self._timeout_s:g} s")
        except httpx.HTTPError as error:
            self._on_silence(f"{self._url}: {str(error) or type(error).__name__}")
        else:
            self._on_answer(status, body)

    async def _fetch(self) -> tuple[int, bytes]:
        async with self._client.stream("GET", self._url, timeout=None) as response:
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > MAX_BODY_BYTES:
                    return response.status_code, b""
        return response.status_code, bytes(body)
