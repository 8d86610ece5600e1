"""An answer is whole, visibly broken, or not valid."""

import json

import pytest

from tests.soak.client import judge

ANSWER = json.dumps({"choices": [{"message": {"content": "proof one"}}]}).encode()
JSON = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(ANSWER) + ANSWER
STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def chunks(*parts: bytes) -> bytes:
    return STREAM + b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)


@pytest.mark.parametrize(
    ("received", "kind"),
    [
        (JSON, "whole"),
        (JSON[:-1], "cut"),
        (JSON + b"x", "cut"),
        (JSON[:30], "cut"),
        (b"", "broken"),
        (chunks(b"data: {}\n\n", b"data: [DONE]\n\n", b""), "whole"),
        (chunks(b"data: {}\n\n", b"data: [DONE]\n\n"), "cut"),
        (chunks(b"data: {}\n\n", b""), "invalid"),
        (chunks(b'data: {"error":{}}\n\n', b""), "cut"),
        (STREAM + b"zz\r\n", "invalid"),
        (JSON.replace(b"proof one", b"proof two"), "invalid"),
        (JSON.replace(b"choices", b"chances"), "invalid"),
        (JSON.replace(b"200 OK", b"502 Bad Gateway"), "status"),
        (b"hello\r\n\r\n", "invalid"),
    ],
)
def test_every_answer_is_judged(received: bytes, kind: str) -> None:
    assert judge(received, proof="one").kind == kind
