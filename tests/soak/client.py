"""One attempt of a client: it sends a request, and reads the answer or leaves. Every answer is judged."""

import asyncio
import json
import socket
import struct
from dataclasses import dataclass
from typing import Literal

from tests.replicas.tally import Kind

Leave = Literal["", "FIN", "RST", "silence"]
LEAVE_AFTER_S = 0.3
SILENCE_S = 4.0
PIECE = 256 * 1024
RESET = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a client has seen of one attempt."""

    kind: Kind | Literal["whole", "left"]
    """A failure; a whole answer; the client left."""
    status: int = 0
    retry_after_s: float | None = None
    detail: str = ""


async def attempt(port: int, request: bytes, *, proof: str = "", leave: Leave = "") -> Seen:
    """Send a request to 127.0.0.1. `proof` is a text that the answer must repeat if it repeats any proof."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError as error:
        return Seen(kind="refused", detail=str(error))
    received = bytearray()
    try:
        for position in range(0, len(request), PIECE):
            writer.write(request[position : position + PIECE])
            await writer.drain()
        if leave:
            await _leave(writer, leave)
            return Seen(kind="left")
        while chunk := await reader.read(65536):
            received += chunk
    except OSError as error:
        return Seen(kind="cut" if received else "broken", detail=str(error))
    finally:
        writer.transport.abort()
    return judge(bytes(received), proof=proof)


async def _leave(writer: asyncio.StreamWriter, leave: Leave) -> None:
    await asyncio.sleep(LEAVE_AFTER_S)
    if leave == "silence":
        await asyncio.sleep(SILENCE_S)  # the answer may come, but nobody reads it
    elif leave == "RST":
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    else:
        writer.close()


def judge(received: bytes, *, proof: str = "") -> Seen:
    """Say what an answer is that ended with the end of its connection."""
    head, separator, body = received.partition(b"\r\n\r\n")
    if not separator:
        return Seen(kind="cut" if received else "broken", detail="the connection was closed")
    lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    try:
        status = int(lines[0].split(" ")[1])
        content = _unframed(headers, body)
    except (ValueError, IndexError):
        return Seen(kind="invalid", detail=f"not HTTP: {received[:200]!r}")
    if content is None:
        return Seen(kind="cut", status=status, detail=f"{len(body)} bytes of an answer with status {status}")
    if status != 200:
        seconds = headers.get("retry-after")
        detail = f"{status} {headers.get('x-concur-reason', '')} {content[:200]!r}"
        return Seen(
            kind="status", status=status, retry_after_s=None if seconds is None else float(seconds), detail=detail
        )
    return _content(headers.get("content-type", ""), content, proof)


def _unframed(headers: dict[str, str], body: bytes) -> bytes | None:
    """Return the content; None if it is not complete. Raises `ValueError` if the framing is wrong."""
    if "content-length" in headers:
        return body if len(body) == int(headers["content-length"]) else None
    if headers.get("transfer-encoding") != "chunked":
        raise ValueError("an answer without framing")
    parts: list[bytes] = []
    while True:
        size, separator, rest = body.partition(b"\r\n")
        if not separator:
            return None
        length = int(size, 16)
        if len(rest) < length + 2:
            return None
        if length == 0:
            return b"".join(parts)
        parts.append(rest[:length])
        body = rest[length + 2 :]


def _content(kind: str, content: bytes, proof: str) -> Seen:
    if kind.startswith("text/event-stream"):
        if content.endswith(b"data: [DONE]\n\n"):
            return Seen(kind="whole", status=200)
        if b'"error"' in content[-2000:]:
            return Seen(kind="cut", status=200, detail="an error event ends the stream")
        return Seen(kind="invalid", status=200, detail=f"a stream without its end: {content[-200:]!r}")
    try:
        text = json.loads(content)["choices"][0]["message"]["content"]
    except (ValueError, LookupError, TypeError):
        return Seen(kind="invalid", status=200, detail=f"no answer: {content[:200]!r}")
    if proof and text.startswith("proof ") and text != f"proof {proof}":
        return Seen(kind="invalid", status=200, detail=f"the answer of another request: {text[:100]!r}")
    return Seen(kind="whole", status=200)
