"""The HTTP clients that a relay could use, each reduced to one call.

The call takes headers and a body. It returns the status, the headers and the chunks of the answer.
"""
# ruff: noqa: PLC0415 - a process imports only the client that it measures

import re
from collections.abc import AsyncIterator, Awaitable, Callable

Headers = list[tuple[bytes, bytes]]
Answer = tuple[int, Headers, AsyncIterator[bytes]]
Send = Callable[[str, bytes, Headers, bytes], Awaitable[Answer]]

_NOT_FORWARDED = {b"host", b"content-length"}


def forwarded(headers: Headers) -> Headers:
    """The client's headers that go on to the engine."""
    return [(name, value) for name, value in headers if name not in _NOT_FORWARDED]


def none(engine: str) -> Send:
    """No engine: the relay answers by itself, which shows the cost of uvicorn alone."""
    answer = b'{"object":"chat.completion","choices":[{"message":{"content":"%b"}}]}' % (b"x" * 900)
    event = b'data: {"object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":" %016d"}}]}\n\n' % 0
    head: Headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer))]

    async def one() -> AsyncIterator[bytes]:
        yield answer

    async def stream(body: bytes) -> AsyncIterator[bytes]:
        events = re.search(rb'"max_tokens":(\d+)', body)
        for _ in range(int(events[1]) if events else 100):
            yield event
        yield b"data: [DONE]\n\n"

    async def send(method: str, path: bytes, headers: Headers, body: bytes) -> Answer:
        if b'"stream":true' in body:
            return 200, [(b"content-type", b"text/event-stream")], stream(body)
        return 200, head, one()

    return send


def httpx_default(engine: str) -> Send:
    """httpx.AsyncClient with its own transport (httpcore)."""
    import httpx

    client = httpx.AsyncClient(
        timeout=httpx.Timeout(None, connect=5), limits=httpx.Limits(keepalive_expiry=4), trust_env=False
    )

    async def send(method: str, path: bytes, headers: Headers, body: bytes) -> Answer:
        request = httpx.Request(method, engine + path.decode(), headers=forwarded(headers), content=body)
        response = await client.send(request, stream=True)
        return response.status_code, response.headers.raw, response.aiter_raw()

    return send


def _aiohttp_session() -> "aiohttp.ClientSession":  # type: ignore[name-defined]  # noqa: F821
    import aiohttp

    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=4),
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=5),
        skip_auto_headers=("user-agent", "accept", "accept-encoding", "content-type"),
    )


def httpx_aiohttp_client(engine: str) -> Send:
    """httpx.AsyncClient with the transport of httpx-aiohttp."""
    import httpx
    from httpx_aiohttp import AiohttpTransport

    client = httpx.AsyncClient(
        transport=AiohttpTransport(client=_aiohttp_session), timeout=httpx.Timeout(None, connect=5)
    )

    async def send(method: str, path: bytes, headers: Headers, body: bytes) -> Answer:
        request = httpx.Request(method, engine + path.decode(), headers=forwarded(headers), content=body)
        response = await client.send(request, stream=True)
        return response.status_code, response.headers.raw, response.aiter_raw()

    return send


def httpx_aiohttp_transport(engine: str) -> Send:
    """The transport of httpx-aiohttp without httpx.AsyncClient."""
    import httpx
    from httpx_aiohttp import AiohttpTransport

    transport = AiohttpTransport(client=_aiohttp_session)

    async def send(method: str, path: bytes, headers: Headers, body: bytes) -> Answer:
        request = httpx.Request(method, engine + path.decode(), headers=forwarded(headers), content=body)
        response = await transport.handle_async_request(request)
        assert isinstance(response.stream, httpx.AsyncByteStream)
        return response.status_code, response.headers.raw, response.stream.__aiter__()

    return send


def httpcore_pool(engine: str) -> Send:
    """The connection pool of httpcore, as httpx uses it, without httpx."""
    import httpcore

    pool = httpcore.AsyncConnectionPool(max_connections=None, keepalive_expiry=4)
    base = httpcore.URL(engine)

    async def body_of(response: httpcore.Response) -> AsyncIterator[bytes]:
        async for chunk in response.aiter_stream():
            yield chunk
        await response.aclose()

    async def send(method: str, path: bytes, headers: Headers, body: bytes) -> Answer:
        url = httpcore.URL(scheme=base.scheme, host=base.host, port=base.port, target=path)
        host = (b"host", b"%b:%d" % (base.host, base.port or 80))
        request = httpcore.Request(
            method, url, headers=[host, *forwarded(headers), (b"content-length", b"%d" % len(body))], content=body
        )
        response = await pool.handle_async_request(request)
        return response.status, list(response.headers), body_of(response)

    return send


def aiohttp_session(engine: str) -> Send:
    """aiohttp.ClientSession, used directly."""
    from multidict import CIMultiDict
    from yarl import URL

    session: list[aiohttp.ClientSession] = []  # type: ignore[name-defined]  # noqa: F821

    async def send(method: str, path: bytes, headers: Headers, body: bytes) -> Answer:
        if not session:
            session.append(_aiohttp_session())
        response = await session[0].request(
            method,
            URL(engine + path.decode("ascii"), encoded=True),
            headers=CIMultiDict(
                [(name.decode(), value.decode("utf-8", "surrogateescape")) for name, value in forwarded(headers)]
            ),
            data=body,
            allow_redirects=False,
        )
        return response.status, list(response.raw_headers), response.content.iter_any()

    return send


def own(engine: str) -> Send:
    """`concur_proxy.upstream.client`: asyncio and httptools."""
    from concur_proxy.upstream.client import Upstream

    upstream = Upstream()

    async def send(method: str, path: bytes, headers: Headers, body: bytes) -> Answer:
        response = await upstream.send(engine, method, path, headers, body)
        return response.status, response.headers, response.chunks()

    return send


CANDIDATES: dict[str, Callable[[str], Send]] = {
    "none": none,
    "httpx": httpx_default,
    "httpx+aiohttp": httpx_aiohttp_client,
    "aiohttp-transport": httpx_aiohttp_transport,
    "httpcore": httpcore_pool,
    "aiohttp": aiohttp_session,
    "own": own,
}
