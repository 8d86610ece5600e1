"""The HTTP server of the emulated engine."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from itertools import cycle
from typing import Any

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from prometheus_client import CONTENT_TYPE_LATEST, PROCESS_COLLECTOR, CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from concur_proxy import plugins
from concur_proxy.lab.engine.engine import EngineModel
from concur_proxy.lab.server.chat import BadRequest, Chat, read_chat
from concur_proxy.lab.server.clockwork import CLOCK_PATH, Clockwork
from concur_proxy.lab.server.flavour import Flavour
from concur_proxy.lab.server.options import FLAVOURS, EmulatorOptions

CLIENT_CLOSED = 499
"""The status in vLLM's log when a client has left."""


class _EngineCollector(Collector):
    def __init__(self, ranks: Sequence[tuple[Clockwork, Flavour]]) -> None:
        self._ranks = ranks

    def describe(self) -> Iterable[Metric]:
        return []

    def collect(self) -> Iterable[Metric]:
        families: dict[str, Metric] = {}
        for clockwork, flavour in self._ranks:
            for family in flavour.collect(clockwork.now):
                known = families.setdefault(family.name, family)
                if known is not family:
                    known.samples += family.samples
        return families.values()


def build_app(options: EmulatorOptions) -> FastAPI:
    """The engine as an ASGI application. Its steps run during the application's lifespan."""
    flavours = [_flavour(options, rank) for rank in range(options.data_parallel_size)]
    ranks = [Clockwork(model, options.time_scale, flavour.on_step_end) for model, flavour in flavours]
    turns = cycle(ranks)
    started = int(time.time())
    registry = CollectorRegistry()
    registry.register(PROCESS_COLLECTOR)
    registry.register(_EngineCollector([(rank, flavour) for rank, (_, flavour) in zip(ranks, flavours, strict=True)]))

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        stepping = [asyncio.create_task(rank.run()) for rank in ranks]
        yield
        for task in stepping:
            task.cancel()

    app = FastAPI(title="concur-proxy engine", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/health")
    async def health() -> Response:
        return Response()

    @app.get("/metrics")
    async def metrics() -> Response:
        return Response(generate_latest(registry), headers={"content-type": CONTENT_TYPE_LATEST})

    @app.get(CLOCK_PATH)
    async def clock() -> dict[str, float]:
        readings = [rank.reading for rank in ranks]
        return {"due_s": sum(each.due_s for each in readings), "late_s": sum(each.late_s for each in readings)}

    @app.get("/v1/models")
    async def models() -> dict[str, Any]:
        card = {"id": options.model, "object": "model", "created": started, "owned_by": "concur-proxy"}
        return {"object": "list", "data": [{**card, "max_model_len": options.capacity_tokens}]}

    @app.post("/v1/chat/completions")
    async def chat_completions(request: Request) -> Response:
        try:
            chat = read_chat(_parse(await request.body()), options)
            clockwork = _pinned(request, ranks) or next(turns)
        except BadRequest as error:
            return JSONResponse(error.body(), error.status)
        if chat.is_stream:
            return StreamingResponse(
                _events(chat, clockwork), headers={"content-type": "text/event-stream; charset=utf-8"}
            )
        return await _whole(chat, clockwork, request)

    return app


def _flavour(options: EmulatorOptions, rank: int) -> tuple[EngineModel, Flavour]:
    model = EngineModel(options.shape)
    return model, plugins.load(FLAVOURS, options.flavour)(model, options, rank)


def _pinned(request: Request, ranks: Sequence[Clockwork]) -> Clockwork | None:
    """The rank in the request's header, as in vLLM; None if it has no such header."""
    rank = request.headers.get("x-data-parallel-rank")
    if rank is None:
        return None
    if not rank.isdigit() or int(rank) >= len(ranks):
        raise BadRequest(f"data_parallel_rank {rank} is out of range [0, {len(ranks)}).")
    return ranks[int(rank)]


def _parse(body: bytes) -> object:
    try:
        return json.loads(body)
    except ValueError as error:
        raise BadRequest(f"the body is not JSON: {error}") from None


async def _events(chat: Chat, clockwork: Clockwork) -> AsyncIterator[bytes]:
    async for start, end in clockwork.generate(chat.request):
        if start == 0:  # vLLM and SGLang send it with the first token; sent earlier, it would hide the prefill time
            yield _event(chat.first_event())
        yield _event(chat.event(start, end))
    if chat.tells_usage:
        yield _event(chat.usage_event())
    yield b"data: [DONE]\n\n"


def _event(value: dict[str, Any]) -> bytes:
    return b"data: %b\n\n" % json.dumps(value, separators=(",", ":")).encode()


async def _whole(chat: Chat, clockwork: Clockwork, request: Request) -> Response:
    """The complete answer. If the client leaves first, the engine drops the request at once."""
    answering = asyncio.ensure_future(_exhaust(chat, clockwork))
    leaving = asyncio.ensure_future(request.receive())
    try:
        await asyncio.wait((answering, leaving), return_when=asyncio.FIRST_COMPLETED)
        return JSONResponse(chat.answer()) if answering.done() else Response(status_code=CLIENT_CLOSED)
    finally:
        for task in (answering, leaving):
            task.cancel()
        await asyncio.gather(answering, leaving, return_exceptions=True)


async def _exhaust(chat: Chat, clockwork: Clockwork) -> None:
    async for _ in clockwork.generate(chat.request):
        pass


class _Server(uvicorn.Server):
    async def startup(self, sockets: Any = None) -> None:  # noqa: ANN401 - uvicorn's own
        await super().startup(sockets)
        if self.started:
            port = self.servers[0].sockets[0].getsockname()[1]
            print(f"emulated engine listens on http://{self.config.host}:{port}", flush=True)  # noqa: T201 - for scripts


async def serve(options: EmulatorOptions, host: str, port: int) -> None:
    """Serve until SIGTERM or SIGINT. Prints the URL in one line on standard output."""
    config = uvicorn.Config(
        build_app(options), host=host, port=port, log_level="warning", access_log=False, timeout_graceful_shutdown=1
    )
    await _Server(config).serve()
