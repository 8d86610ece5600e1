"""Asks a server for one path, once or at regular intervals."""

import asyncio
import os
import ssl
import time
from collections.abc import Callable

import httpx

from concur_proxy.monitoring.loop import Loop
from concur_proxy.upstream.exhaustion import is_own_exhaustion

MAX_BODY_BYTES = 1024 * 1024
"""Even a list of thousands of adapters is smaller."""

MAX_CHUNKS = 8192
"""An answer in more chunks counts as too large: each costs as much time as some kilobytes."""
STEP_CHUNKS = 64

OnAnswer = Callable[[int, bytes], None]
OnSilence = Callable[[str], None]


MAX_REDIRECTS = 3

_PLAIN = {"accept-encoding": "identity"}


async def fetch(client: httpx.AsyncClient, url: str, *, timeout_s: float, max_bytes: int) -> tuple[int, bytes | None]:
    """The status and body of a GET. The body is None if it is too large, in too many chunks, or compressed.

    Up to `MAX_REDIRECTS` redirects are followed if they lead to the same server, such as from `/metrics` to `/metrics/`
    or from http to https. Raises `TimeoutError` if the whole answer takes longer than `timeout_s`, and
    `httpx.HTTPError` if there is no complete answer.
    """
    async with asyncio.timeout(timeout_s):
        for left in reversed(range(MAX_REDIRECTS + 1)):
            async with client.stream("GET", url, headers=_PLAIN, timeout=None) as response:
                target = _redirect(response) if left else None
                body = await _body(response, max_bytes) if target is None else None
            # It refers to the response: a cycle, which would wait for Python's next search of all garbage.
            del response.stream
            if target is None:
                return response.status_code, body
            url = target
    raise AssertionError("the last answer is always returned")


def _redirect(response: httpx.Response) -> str | None:
    """Where the answer leads, if that is the same server."""
    if not response.has_redirect_location:
        return None
    url = response.url
    try:
        target = url.join(response.headers["location"])
    except httpx.InvalidURL:
        return None
    is_same = (target.scheme, target.host, target.port) == (url.scheme, url.host, url.port)
    is_safer = (url.scheme, target.scheme) == ("http", "https") and target.host == url.host
    return str(target.copy_with(userinfo=url.userinfo)) if is_same or is_safer else None


async def _body(response: httpx.Response, max_bytes: int) -> bytes | None:
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        return None  # it could become far larger than what was sent
    body, chunks = bytearray(), 0
    async for chunk in response.aiter_bytes():
        body += chunk
        chunks += 1
        if len(body) > max_bytes or chunks > MAX_CHUNKS:
            return None
        if not chunks % STEP_CHUNKS:
            await asyncio.sleep(0)  # many chunks can be in what was received at once
    return bytes(body)


def describe(error: httpx.HTTPError) -> str:
    """The cause of an error in words, such as "connection refused". httpx says only that all attempts failed."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLError):  # has numbers of its own
        if isinstance(cause, OSError) and cause.errno is not None:
            text = os.strerror(cause.errno) if cause.errno > 0 else cause.strerror  # below 0: the resolver's
            return (text or str(cause)).lower()
        cause = cause.exceptions[0] if isinstance(cause, BaseExceptionGroup) else cause.__cause__ or cause.__context__
    return str(error) or type(error).__name__


class EngineProbe:
    """Asks a server for one path at regular intervals. Each has its own task, so a slow server delays no other."""

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
        """`on_answer` gets the status and the body, which is empty if it is too large. `on_silence` gets the reason why
        there is no answer.
        """
        self._url = url
        self._client = client
        self._timeout_s = timeout_s
        self._on_answer = on_answer
        self._on_silence = on_silence
        self._loop = Loop(f"asking {url}", self.ask, interval_s=interval_s, clock=clock)

    def hurry(self) -> None:
        """Ask at once, because the answer has probably changed."""
        self._loop.hurry()

    async def run(self) -> None:
        """Ask until cancelled."""
        await self._loop.run()

    async def ask(self) -> None:
        """Ask once and report to `on_answer` or `on_silence`."""
        try:
            status, body = await fetch(self._client, self._url, timeout_s=self._timeout_s, max_bytes=MAX_BODY_BYTES)
        except TimeoutError:
            self._on_silence(f"no answer from {self._url} within {self._timeout_s:g} s")
        except httpx.HTTPError as error:
            if is_own_exhaustion(error):
                return  # it says nothing about the server
            self._on_silence(f"{self._url}: {describe(error)}")
        else:
            self._on_answer(status, body or b"")
