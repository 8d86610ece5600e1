"""An engine's answer that stops at one phase of a request's life, until the test says how to continue."""

import asyncio
import json
from dataclasses import dataclass, field

from tests.http.scripted_engine import Exchange, answer

PHASES = ("sent", "half a head", "head", "mid-body")
"""How much of the answer the engine has sent: nothing, part of its head, the whole head, or part of its body."""

_EVENTS = (
    b'data: {"choices":[{"index":0,"delta":{"content":"one"},"finish_reason":null}]}\n\n',
    b'data: {"choices":[{"index":0,"delta":{"content":"two"},"finish_reason":"stop"}]}\n\n',
    b"data: [DONE]\n\n",
)
_STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
_CHUNKS = [b"%x\r\n%b\r\n" % (len(event), event) for event in (*_EVENTS, b"")]
_BODY = json.dumps(answer()).encode()
_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(_BODY)

COMPLETE = {True: b"".join(_EVENTS), False: _BODY}
"""The body that a client sees if nothing goes wrong, streamed and not. The stream has no usage."""


@dataclass(slots=True, kw_only=True)
class StagedAnswer:
    """A script for a single request."""

    phase: str
    stream: bool
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the phase is reached."""
    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    """Set by the test: send the rest of the answer."""
    die: asyncio.Event = field(default_factory=asyncio.Event)
    """Set by the test: close the engine's connection."""
    left: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the engine sees that the other side has closed."""

    async def __call__(self, exchange: Exchange) -> None:
        """Answer one request."""
        head = _STREAM_HEAD if self.stream else _HEAD
        whole = head + (b"".join(_CHUNKS) if self.stream else _BODY)
        middle = len(head) + (len(_CHUNKS[0]) if self.stream else len(_BODY) // 2)
        cut = {"sent": 0, "half a head": 20, "head": len(head), "mid-body": middle}[self.phase]
        await exchange.send(whole[:cut])
        self.reached.set()
        leaving = asyncio.create_task(exchange.client_left())
        going_on, dying = asyncio.create_task(self.go_on.wait()), asyncio.create_task(self.die.wait())
        done, pending = await asyncio.wait({leaving, going_on, dying}, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, *done, return_exceptions=True)
        if going_on in done:
            await exchange.send(whole[cut:])
        elif dying in done:
            exchange.die()
        else:
            self.left.set()
