"""Requests of a patient client, at little cost: one connection per request, and the answer is read to its end."""

import asyncio
from dataclasses import dataclass
from typing import Any

import msgspec

from tests.replicas.server import Server
from tests.replicas.tally import Kind

END_OF_STREAM = b"data: [DONE]\n\n\r\n0\r\n\r\n"
END_OF_CHUNKS = b"0\r\n\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A complete answer."""

    status: int
    headers: dict[str, str]
    body: bytes


class Failed(Exception):  # noqa: N818 - says what happened
    """There is no complete answer with status 200."""

    def __init__(self, kind: Kind, detail: str, *, status: int = 0, retry_after_s: float | None = None) -> None:
        super().__init__(f"{kind}: {detail}")
        self.kind = kind
        self.status = status
        self.retry_after_s = retry_after_s


async def send(port: int, method: str, target: str, *, headers: str = "", body: object = None) -> Answer:
    """Send a request to 127.0.0.1 and read the whole answer, however long it takes. Raises `Failed`."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError as error:
        raise Failed("refused", str(error)) from error
    data = b"" if body is None else msgspec.json.encode(body)
    head = (
        f"{method} {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n{headers}"
        f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
    )
    received = bytearray()
    try:
        writer.write(head.encode() + data)
        while chunk := await reader.read(65536):
            received += chunk
    except OSError as error:
        raise Failed("cut" if received else "broken", str(error)) from error
    finally:
        writer.transport.abort()
    return _answer(bytes(received))


async def ask(server: Server, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 - JSON
    """Read an answer of a replica's admin API. Raises `Failed`."""
    return msgspec.json.decode((await send(server.port, method, f"/concur/v1/{path}", body=body)).body)


def _answer(received: bytes) -> Answer:
    head, separator, body = received.partition(b"\r\n\r\n")
    if not separator:
        raise Failed("cut" if received else "broken", "the connection was closed")
    status_line, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    status = int(status_line.split()[1])
    if not _is_whole(headers, body):
        raise Failed("cut", f"{len(body)} bytes of an answer with status {status}", status=status)
    if status != 200:
        retry_after = headers.get("retry-after")
        raise Failed(
            "status",
            f"{status} {headers.get('x-concur-reason', '')} {body[:300]!r}",
            status=status,
            retry_after_s=None if retry_after is None else float(retry_after),
        )
    return Answer(status=status, headers=headers, body=body)


def _is_whole(headers: dict[str, str], body: bytes) -> bool:
    if "content-length" in headers:
        return len(body) == int(headers["content-length"])
    if headers.get("content-type", "").startswith("text/event-stream"):
        return body.endswith(END_OF_STREAM)
    return body.endswith(END_OF_CHUNKS)
