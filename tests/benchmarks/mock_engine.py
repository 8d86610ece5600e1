"""An inference server that costs almost nothing. Its answers are fixed, so that a benchmark measures only the relay.

`python -m tests.benchmarks.mock_engine --port 9000 [--core 1]`. A request with `"stream": true` gets `max_tokens` SSE
events, one write per event, as fast as the reader takes them. With `interval_ms`, each stream gets one event per step
of an engine that steps at this interval: all streams get theirs at the same moment, as from the batch of a real
engine. Any other request gets a fixed JSON answer of 1 KB.
"""

import argparse
import asyncio
import os
import re
from typing import cast

import httptools
import uvloop

ANSWER = (
    b'{"id":"chatcmpl-0","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant",'
    b'"content":"'
    + b"x"
    * 760
    + b'"},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":200,"completion_tokens":150,'
    b'"total_tokens":350,"prompt_tokens_details":{"cached_tokens":100}}}'
)
METRICS = b"""# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="m"} 8.0
# TYPE vllm:num_requests_waiting gauge
vllm:num_requests_waiting{engine="0",model_name="m"} 0.0
# TYPE vllm:kv_cache_usage_perc gauge
vllm:kv_cache_usage_perc{engine="0",model_name="m"} 0.1
# TYPE vllm:cache_config_info gauge
vllm:cache_config_info{block_size="16",engine="0",num_gpu_blocks="65536"} 1.0
"""
EVENT = (
    b'data: {"id":"chatcmpl-0","object":"chat.completion.chunk","created":1,"model":"m",'
    b'"choices":[{"index":0,"delta":{"content":" token"},"logprobs":null,"finish_reason":null}]}\n\n'
)
USAGE = (
    b'data: {"id":"chatcmpl-0","object":"chat.completion.chunk","created":1,"model":"m",'
    b'"choices":[],"usage":{"prompt_tokens":200,"completion_tokens":150,"total_tokens":350,"prompt_tokens_details":{"cached_tokens":100}}}\n\n'
)
DONE = b"data: [DONE]\n\n"
STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\nserver: mock\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
    b"transfer-encoding: chunked\r\n\r\n"
)

_STREAM = re.compile(rb'"stream":\s*true')
_ASKS_USAGE = re.compile(rb'"include_usage":\s*true')
_EVENTS = re.compile(rb'"max_tokens":\s*(\d+)')
_INTERVAL = re.compile(rb'"interval_ms":\s*(\d+)')


def chunk(payload: bytes) -> bytes:
    """One chunk of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(payload), payload)


def whole(payload: bytes, content_type: bytes) -> bytes:
    """One complete answer with its head."""
    head = b"HTTP/1.1 200 OK\r\nserver: mock\r\ncontent-type: %b\r\ncontent-length: %d\r\n\r\n"
    return head % (content_type, len(payload)) + payload


JSON_ANSWER = whole(ANSWER, b"application/json")
METRICS_ANSWER = whole(METRICS, b"text/plain; version=0.0.4; charset=utf-8")
EVENT_CHUNK = chunk(EVENT)


class Steps:
    """The clock of a batch: every `interval` seconds each stream in it writes one event."""

    def __init__(self, loop: asyncio.AbstractEventLoop, interval: float) -> None:
        self.loop = loop
        self.interval = interval
        self.streams: set[EngineConnection] = set()
        self.next_at = 0.0

    def join(self, stream: "EngineConnection") -> None:
        if not self.streams:
            self.next_at = self.loop.time() + self.interval
            self.loop.call_at(self.next_at, self.step)
        self.streams.add(stream)

    def step(self) -> None:
        self.streams = {stream for stream in self.streams if stream.write_event()}
        if self.streams:
            self.next_at = max(self.next_at + self.interval, self.loop.time())
            self.loop.call_at(self.next_at, self.step)


class EngineConnection(asyncio.Protocol):
    """One client connection."""

    def __init__(self, batches: dict[float, Steps]) -> None:
        self.batches = batches
        self.loop = asyncio.get_running_loop()
        self.parser = httptools.HttpRequestParser(self)
        self.url = b""
        self.body = b""
        self.remaining = -1
        self.interval = 0.0
        self.tail = b""
        self.paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:

        self.transport = cast(
            "asyncio.Transport", transport
        )  # the transports of uvloop do not inherit from asyncio.Transport

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        url, self.url, body, self.body = self.url, b"", self.body, b""
        if url.endswith(b"/metrics"):
            self.transport.write(METRICS_ANSWER)
        elif _STREAM.search(body):
            self.start_stream(body)
        else:
            self.transport.write(JSON_ANSWER)

    def start_stream(self, body: bytes) -> None:
        events, interval = _EVENTS.search(body), _INTERVAL.search(body)
        self.remaining = int(events[1]) if events else 100
        self.interval = int(interval[1]) / 1000 if interval else 0.0
        self.tail = (chunk(USAGE) if _ASKS_USAGE.search(body) else b"") + chunk(DONE) + b"0\r\n\r\n"
        self.transport.write(STREAM_HEAD)
        if self.interval:
            self.batches.setdefault(self.interval, Steps(self.loop, self.interval)).join(self)
        else:
            self.write_on()

    def write_event(self) -> bool:
        """Write one event, or the end of the stream. Returns False when nothing is left to write."""
        if self.transport.is_closing():
            return False
        self.remaining -= 1
        self.transport.write(EVENT_CHUNK if self.remaining >= 0 else self.tail)
        return self.remaining >= 0

    def write_on(self) -> None:
        if not self.paused and self.write_event():
            self.loop.call_soon(self.write_on)

    def pause_writing(self) -> None:
        self.paused = True

    def resume_writing(self) -> None:
        self.paused = False
        if self.remaining >= 0 and not self.interval:
            self.loop.call_soon(self.write_on)


async def serve(port: int) -> None:
    """Serve on loopback until killed."""
    batches: dict[float, Steps] = {}
    server = await asyncio.get_running_loop().create_server(
        lambda: EngineConnection(batches), "127.0.0.1", port, backlog=1024
    )
    await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--core", type=int)
    arguments = parser.parse_args()
    if arguments.core is not None:
        os.sched_setaffinity(0, {arguments.core})
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(arguments.port))


if __name__ == "__main__":
    main()
