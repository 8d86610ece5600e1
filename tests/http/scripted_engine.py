"""A real HTTP server on loopback. A test scripts its answers, including a connection that breaks in mid-stream."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from concur_proxy.monitoring.own_clients import USER_AGENT

METRICS = """\
# TYPE vllm:kv_cache_usage_perc gauge
vllm:kv_cache_usage_perc{{engine="0",model_name="m"}} {usage}
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{{engine="0",model_name="m"}} {running}
# TYPE vllm:num_requests_waiting gauge
vllm:num_requests_waiting{{engine="0",model_name="m"}} {waiting}
# TYPE vllm:prefix_cache_queries_total counter
vllm:prefix_cache_queries_total{{engine="0",model_name="m"}} {queries}
# TYPE vllm:prefix_cache_hits_total counter
vllm:prefix_cache_hits_total{{engine="0",model_name="m"}} {hits}
# TYPE vllm:num_preemptions_total counter
vllm:num_preemptions_total{{engine="0",model_name="m"}} 0
# TYPE vllm:cache_config_info gauge
vllm:cache_config_info{{block_size="16",engine="0",num_gpu_blocks="{blocks}"}} 1
"""


@dataclass(slots=True, kw_only=True)
class Received:
    """A request as it arrived."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        """The first header with this name, in any case."""
        return next((value for key, value in self.headers if key.lower() == name), None)


class Exchange:
    """The engine's side of one request."""

    def __init__(self, request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.request = request
        self._reader = reader
        self._writer = writer

    async def send(self, data: bytes) -> None:
        """Send raw bytes."""
        self._writer.write(data)
        await self._writer.drain()

    async def json(self, value: object, *, status: str = "200 OK", headers: str = "") -> None:
        """Send a complete JSON answer."""
        body = json.dumps(value).encode()
        head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n{headers}\r\n"
        await self.send(head.encode() + body)

    async def start_stream(self) -> None:
        """Send the head of a chunked event stream."""
        await self.send(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")

    async def chunk(self, data: bytes) -> None:
        """Send one HTTP chunk; an empty one ends the body."""
        await self.send(b"%x\r\n%b\r\n" % (len(data), data))

    def die(self) -> None:
        """Reset the connection."""
        self._writer.transport.abort()

    async def client_left(self) -> None:
        """Wait until the other side closes."""
        while await self._reader.read(65536):
            pass


Script = Callable[[Exchange], Awaitable[None]]


def answer(text: str = "hello", *, prompt_tokens: int = 10, completion_tokens: int = 5) -> dict[str, object]:
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": prompt_tokens + completion_tokens,
        },
    }


def model_list(*names: str, max_model_len: int | None = None) -> dict[str, object]:
    """An answer to `GET /v1/models`."""
    more = {} if max_model_len is None else {"max_model_len": max_model_len}
    return {"object": "list", "data": [{"id": name, "object": "model", "owned_by": "test", **more} for name in names]}


async def answer_at_once(exchange: Exchange) -> None:
    """The default script."""
    await exchange.json(answer())


@dataclass(slots=True, kw_only=True)
class ScriptedEngine:
    """What the engine does, which a test can change at any time, and what it has seen."""

    script: Script = answer_at_once
    usage: float = 0.1
    running: int = 0
    waiting: int = 1
    """1 by default, so that the work-conserving rule admits no session on its own."""
    queries: int = 0
    hits: int = 1
    """A counter that is still 0 is not believed."""
    blocks: str = "1000"
    metrics: str | None = None
    """The whole text of `/metrics`, instead of the values above."""
    metrics_status: str = "200 OK"
    metrics_script: Script | None = None
    """Answers scrapes, instead of all of the above."""
    scrapes: int = 0
    models: Sequence[str] | None = None
    """The models that it lists for the gateway; None if it has no list."""
    max_model_len: int | None = None
    """The longest context of its models, if its list says so."""
    key: str | None = None
    """The key that a request for its models must have."""
    health: str = "200 OK"
    """The status of its health check."""
    received: list[Received] = field(default_factory=list)
    """Requests, except those that the gateway itself makes."""
    in_flight: int = 0
    most_in_flight: int = 0
    tls: ssl.SSLContext | None = None
    url: str = ""
    _server: asyncio.Server | None = None
    _serving: dict[asyncio.Task[None], asyncio.StreamWriter] = field(default_factory=dict)
    """The connections. Nothing else keeps the task of one that its client has left."""

    async def start(self, port: int = 0) -> None:
        """Listen on `port`."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port, ssl=self.tls)
        self.url = f"{'https' if self.tls else 'http'}://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        """Close the port and every connection."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
            for task, writer in list(self._serving.items()):
                writer.transport.abort()
                task.cancel()
            await server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._server is None:  # a connection that was accepted just before the stop
            writer.transport.abort()
            return
        task = asyncio.current_task()
        assert task is not None
        self._serving[task] = writer
        try:
            while (request := await _read_request(reader)) is not None:
                await self._answer(Exchange(request, reader, writer))
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # cancelled: by `stop`, or because the test is over
        finally:
            del self._serving[task]
            writer.transport.abort()

    async def _answer(self, exchange: Exchange) -> None:
        if exchange.request.target == "/metrics":
            self.scrapes += 1
            if self.metrics_script is not None:
                await self.metrics_script(exchange)
                return
            body = self.metrics_text().encode()
            head = f"HTTP/1.1 {self.metrics_status}\r\ncontent-type: text/plain\r\ncontent-length: {len(body)}\r\n\r\n"
            await exchange.send(head.encode() + body)
            return
        if exchange.request.header("user-agent") == USER_AGENT:
            await self._tell(exchange)
            return
        self.received.append(exchange.request)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await self.script(exchange)
        finally:
            self.in_flight -= 1

    async def _tell(self, exchange: Exchange) -> None:
        """Answer a request that the gateway itself makes."""
        if exchange.request.target == "/v1/models" and self.key is not None and not self._has_key(exchange.request):
            await exchange.json({"error": "Unauthorized"}, status="401 Unauthorized")
        elif exchange.request.target == "/v1/models" and self.models is not None:
            await exchange.json(model_list(*self.models, max_model_len=self.max_model_len))
        elif exchange.request.target == "/health":
            await exchange.json({}, status=self.health)
        else:
            await exchange.json({"detail": "Not Found"}, status="404 Not Found")

    def _has_key(self, request: Received) -> bool:
        return request.header("authorization") == f"Bearer {self.key}"

    def metrics_text(self) -> str:
        """The text that a scrape would return now."""
        if self.metrics is not None:
            return self.metrics
        return METRICS.format(
            usage=self.usage,
            running=self.running,
            waiting=self.waiting,
            queries=self.queries,
            hits=self.hits,
            blocks=self.blocks,
        )


async def _read_request(reader: asyncio.StreamReader) -> Received | None:
    head = await reader.readuntil(b"\r\n\r\n") if not reader.at_eof() else b""
    if not head:
        return None
    first, *lines = head.decode("latin-1").split("\r\n")[:-2]
    method, target, _ = first.split(" ")
    headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    length = next((int(value) for name, value in headers if name.lower() == "content-length"), 0)
    body = await reader.readexactly(length)
    return Received(method=method, target=target, headers=headers, body=body)


class Hold:
    """A script that delays every answer until it is opened."""

    def __init__(self) -> None:
        self.open = asyncio.Event()

    async def __call__(self, exchange: Exchange) -> None:
        await self.open.wait()
        await exchange.json(answer())


def sessions(engine: ScriptedEngine) -> list[str | None]:
    """The session of each request, in order."""
    return [request.header("x-session-id") for request in engine.received]


def answers(status: str, body: bytes, headers: bytes = b"") -> Script:
    async def script(exchange: Exchange) -> None:
        head = b"HTTP/1.1 %b\r\ncontent-length: %d\r\n%b\r\n" % (status.encode(), len(body), headers)
        await exchange.send(head + body)

    return script


@asynccontextmanager
async def scripted_engine(**values: object) -> AsyncIterator[ScriptedEngine]:
    engine = ScriptedEngine(**values)  # type: ignore[arg-type]
    await engine.start()
    try:
        yield engine
    finally:
        await engine.stop()
