"""The smallest possible relay: a plain ASGI endpoint and one upstream client.

`python -m tests.benchmarks.minimal_relay --client aiohttp --engine http://127.0.0.1:9000 --port 9001`.
"""

import argparse
from collections.abc import Awaitable, Callable
from typing import Any

import uvicorn

from tests.benchmarks.candidates import CANDIDATES, Send

_HOP_BY_HOP = {b"connection", b"transfer-encoding", b"keep-alive", b"upgrade", b"te", b"trailer"}


class MinimalRelay:
    """An ASGI application around one candidate."""

    def __init__(self, send_upstream: Send) -> None:
        self.send_upstream = send_upstream

    async def __call__(
        self, scope: dict[str, Any], receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]
    ) -> None:
        body = b""
        while True:
            message = await receive()
            body += message["body"]
            if not message["more_body"]:
                break
        status, headers, chunks = await self.send_upstream(scope["method"], scope["raw_path"], scope["headers"], body)
        passed = [(name, value) for name, value in headers if name.lower() not in _HOP_BY_HOP]
        await send({"type": "http.response.start", "status": status, "headers": passed})
        async for chunk in chunks:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--client", choices=sorted(CANDIDATES), required=True)
    parser.add_argument("--engine", required=True)
    parser.add_argument("--port", type=int, required=True)
    arguments = parser.parse_args()
    app = MinimalRelay(CANDIDATES[arguments.client](arguments.engine))
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=arguments.port,
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
        lifespan="off",
        server_header=False,
        date_header=False,
    )


if __name__ == "__main__":
    main()
