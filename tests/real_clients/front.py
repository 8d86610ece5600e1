"""The way from the clients to the gateway: tells which agent a request is from, and can make one request fail.

Each agent has a base URL of its own, `/AGENT/...`. The front removes this prefix and gives the request the id
`AGENT.NUMBER`, which the gateway writes into its log. It changes nothing else that the gateway looks at.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

HOP_HEADERS = {"host", "connection", "content-length", "transfer-encoding", "keep-alive", "x-request-id"}
RELEASE_PATH = "concur/v1/sessions/release"
REFUSED_AT, SILENT_AT = 2, 3
"""The number of the request that is refused, and of the one whose answer begins late."""


@dataclass(slots=True)
class Trouble:
    """What happens to some requests of one agent, and what its client does."""

    retry_after_s: float
    silent_s: float
    refused_at: float | None = None
    came_back_s: float | None = None
    """After how many seconds the client repeated the refused request."""
    waited: bool | None = None
    """Whether the client was still there after the silence."""


@dataclass(slots=True)
class Front:
    """The front's URL and what it has seen."""

    gateway_url: str
    url: str = ""
    requests: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    """How many requests came from each agent, by its name."""
    trouble: dict[str, Trouble] = field(default_factory=dict)
    """The agents with trouble."""
    ended: set[str] = field(default_factory=set)
    """The agents whose sessions the gateway has ended on request."""

    async def serve(self, agent: str, path: str, request: Request, client: httpx.AsyncClient) -> Response:
        """Pass a request on."""
        generates = request.method == "POST" and path.endswith(("/completions", "/messages", "/responses"))
        self.requests[agent] += generates
        number = self.requests[agent]
        trouble = self.trouble.get(agent) if generates else None
        body = await request.body()
        if trouble is not None and number == REFUSED_AT:
            trouble.refused_at = time.monotonic()
            error = {"message": "queue full", "type": "rate_limit_error", "code": "queue_full"}
            headers = {"retry-after": f"{trouble.retry_after_s:g}", "x-concur-reason": "queue_full"}
            return JSONResponse({"type": "error", "error": error}, 429, headers)
        if trouble is not None and number == SILENT_AT:
            if trouble.refused_at is not None:
                trouble.came_back_s = time.monotonic() - trouble.refused_at
            await asyncio.sleep(trouble.silent_s)
            trouble.waited = not await request.is_disconnected()
        sent_on = [(name, value) for name, value in request.headers.items() if name not in HOP_HEADERS]
        sent_on.append(("x-request-id", f"{agent}.{number}"))
        query = f"?{request.url.query}" if request.url.query else ""
        sent = client.build_request(request.method, f"/{path}{query}", headers=sent_on, content=body)
        answer = await client.send(sent, stream=True)
        if path == RELEASE_PATH and b'"released":true' in await answer.aread():
            self.ended.add(agent)
        kept = {name: value for name, value in answer.headers.items() if name not in HOP_HEADERS}
        if answer.is_closed:
            return Response(answer.content, answer.status_code, kept)
        return StreamingResponse(_passed(answer), answer.status_code, kept)


async def _passed(answer: httpx.Response) -> AsyncIterator[bytes]:
    try:
        async for part in answer.aiter_raw():
            yield part
    finally:
        await answer.aclose()


@asynccontextmanager
async def running_front(gateway_url: str) -> AsyncIterator[Front]:
    """A front of this gateway, until the block ends."""
    front = Front(gateway_url)
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=gateway_url, timeout=600, trust_env=False, limits=limits) as client:

        @app.api_route("/{agent}/{path:path}", methods=["GET", "POST", "HEAD"])
        async def pass_on(agent: str, path: str, request: Request) -> Response:
            return await front.serve(agent, path, request, client)

        server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", access_log=False))
        serving = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.01)
        front.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        try:
            yield front
        finally:
            server.should_exit = True
            await serving
