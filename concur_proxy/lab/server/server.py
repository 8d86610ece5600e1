"""The HTTP server of the emulated engine."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from itertools import cycle
from types import FrameType
from typing import Any

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from prometheus_client import CONTENT_TYPE_LATEST, PROCESS_COLLECTOR, CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from concur_proxy import plugins
from concur_proxy.lab.engine.engine import EngineModel
from concur_proxy.lab.server.chat import Chat, read_chat
from concur_proxy.lab.server.clockwork import CLOCK_PATH, Clockwork
from concur_proxy.lab.server.flavour import Flavour
from concur_proxy.lab.server.generation import Answer, BadRequest, Event, count_tokens
from concur_proxy.lab.server.messages import error_body, read_message, read_prompt
from concur_proxy.lab.server.options import FLAVOURS, EmulatorOptions
from concur_proxy.lab.server.responses import read_response
from concur_proxy.lab.server.stored import StoredAnswers
from concur_proxy.telemetry.announcement import announce
from concur_proxy.telemetry.logs import silence_uvicorn

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

    _add_apis(app, options, ranks)
    return app


def _add_apis(app: FastAPI, options: EmulatorOptions, ranks: Sequence[Clockwork]) -> None:
    """Add the paths that generate, and those that belong to them."""
    turns = cycle(ranks)
    stored = StoredAnswers()

    async def serve_answer(answer: Answer, request: Request) -> Response:
        clockwork = _pinned(request, ranks) or next(turns)
        if answer.generation.is_stream:
            events = _events(answer, clockwork, stored)
            return StreamingResponse(events, headers={"content-type": "text/event-stream; charset=utf-8"})
        return await _whole(answer, clockwork, request, stored)

    @app.exception_handler(BadRequest)
    async def refuse(request: Request, error: BadRequest) -> Response:
        is_anthropic = request.url.path.startswith("/v1/messages")
        return JSONResponse(error_body(error) if is_anthropic else error.body(), error.status)

    @app.post("/v1/chat/completions")
    async def chat_completions(request: Request) -> Response:
        return await serve_answer(read_chat(_parse(await request.body()), options), request)

    @app.post("/v1/messages")
    async def messages(request: Request) -> Response:
        return await serve_answer(read_message(_parse(await request.body()), options, stored), request)

    @app.post("/v1/messages/count_tokens")
    async def count(request: Request) -> dict[str, int]:
        return {"input_tokens": count_tokens(read_prompt(_parse(await request.body()), stored))}

    @app.post("/v1/responses")
    async def responses(request: Request) -> Response:
        return await serve_answer(read_response(_parse(await request.body()), options, stored), request)

    @app.get("/v1/responses/{response_id}")
    async def response(response_id: str) -> Response:
        answer = stored.answer(response_id)
        if answer is None:
            raise BadRequest(f"Response with id '{response_id}' not found.", status=404)
        return JSONResponse(answer)


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


async def _events(answer: Answer, clockwork: Clockwork, stored: StoredAnswers) -> AsyncIterator[bytes]:
    """The stream. What comes with the first token is not sent earlier, because that would hide the prefill time."""
    for event in answer.opening():
        yield _event(event)
    async for start, end in clockwork.generate(answer.generation.request):
        for event in answer.events(start, end):
            yield _event(event)
    for event in answer.closing():
        yield _event(event)
    stored.complete(answer.id, answer.answer())
    if isinstance(answer, Chat):
        yield b"data: [DONE]\n\n"


def _event(event: Event) -> bytes:
    name, value = event
    data = b"data: %b\n\n" % json.dumps(value, separators=(",", ":")).encode()
    return b"event: %b\n%b" % (name.encode(), data) if name else data


async def _whole(answer: Answer, clockwork: Clockwork, request: Request, stored: StoredAnswers) -> Response:
    """The complete answer. If the client leaves first, the engine drops the request at once."""
    answering = asyncio.ensure_future(_exhaust(answer, clockwork))
    leaving = asyncio.ensure_future(request.receive())
    try:
        await asyncio.wait((answering, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not answering.done():
            return Response(status_code=CLIENT_CLOSED)
        whole = answer.answer()
        stored.complete(answer.id, whole)
        return JSONResponse(whole)
    finally:
        for task in (answering, leaving):
            task.cancel()
        await asyncio.gather(answering, leaving, return_exceptions=True)


async def _exhaust(answer: Answer, clockwork: Clockwork) -> None:
    async for _ in clockwork.generate(answer.generation.request):
        pass


class _Server(uvicorn.Server):
    """Ends at the first signal: the client of an emulated engine loses nothing that matters."""

    async def startup(self, sockets: Any = None) -> None:  # noqa: ANN401 - uvicorn's own
        await super().startup(sockets)
        if self.started:
            port = self.servers[0].sockets[0].getsockname()[1]
            announce(f"emulated engine listens on http://{self.config.host}:{port}")

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        self.force_exit = True
        silence_uvicorn()

    async def shutdown(self, sockets: Any = None) -> None:  # noqa: ANN401 - uvicorn's own
        await super().shutdown(sockets)
        for task in self.server_state.tasks:
            task.cancel()
        await self.lifespan.shutdown()


async def serve(options: EmulatorOptions, host: str, port: int) -> None:
    """Serve until SIGTERM or SIGINT. Prints the URL in one line on standard output."""
    config = uvicorn.Config(
        build_app(options), host=host, port=port, log_level="warning", access_log=False, timeout_graceful_shutdown=1
    )
    await _Server(config).serve()
