"""Opens a trace with the reader of its format, which its content tells."""

import re
import zlib
from pathlib import Path

from concur_proxy.lab.recorded.entries import GZIP_MAGIC
from concur_proxy.lab.recorded.mooncake import RequestTrace
from concur_proxy.lab.recorded.reader import GatewayRecording, Reader
from concur_proxy.lab.recorded.request import TraceProblem
from concur_proxy.lab.recorded.weka import SessionTrace

HEAD_BYTES = 1 << 16
GZIP_WINDOW = 31
"""zlib's number for data with a header of gzip."""
_SESSIONS = re.compile(rb'"requests"\s*:\s*\[')
_REQUESTS = re.compile(rb'"(?:input_length|hash_ids)"\s*:')


def open_trace(path: Path) -> Reader:
    """The reader of this file, or of this folder of sessions. Raises `TraceProblem` if it cannot be read."""
    if path.is_dir():
        return SessionTrace(path)
    head = _head(path)
    if _SESSIONS.search(head):
        return SessionTrace(path)
    return RequestTrace(path) if _REQUESTS.search(head) else GatewayRecording(path)


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
        is_compressed = head.startswith(GZIP_MAGIC)
        return zlib.decompressobj(wbits=GZIP_WINDOW).decompress(head, HEAD_BYTES) if is_compressed else head
    except (OSError, zlib.error) as error:
        raise TraceProblem(f"{path}: cannot be read: {error}") from None
