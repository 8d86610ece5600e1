"""What a megabyte of input costs the readers: typical input, and input that was made to be slow."""

import sys
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

from concur_proxy import plugins
from concur_proxy.engines.exposition import read_exposition
from concur_proxy.recognition.segments import chain_of
from concur_proxy.steps import finish
from concur_proxy.wire.answer.json_tap import JsonTap
from concur_proxy.wire.answer.tap import StreamTap
from concur_proxy.wire.api_shape import ApiShape
from concur_proxy.wire.request.body_reader import JsonBodyReader
from concur_proxy.wire.request.models import model_in_form
from concur_proxy.wire.request.view import RequestReader

BUDGET_MS = 10.0
MEGABYTE = 1_000_000
CHUNK_BYTES = 65_536
"""About what one read from a socket returns."""

_READER = JsonBodyReader(["session_id"])
_VIEWS = RequestReader()
_KINDS = plugins.own_engine_kinds()


def _body(data: bytes) -> None:
    _READER.read(data)


def _prompt(data: bytes) -> None:
    view = _VIEWS.view("POST", b"/", "/", [])
    view.body = data
    chain_of(view)


def _stream(data: bytes) -> None:
    tap = StreamTap(ApiShape.OPENAI, strip=True)
    for at in range(0, len(data), CHUNK_BYTES):
        tap.feed(data[at : at + CHUNK_BYTES])
    tap.finish()


def _answer(data: bytes) -> None:
    tap = JsonTap(ApiShape.OPENAI)
    for at in range(0, len(data), CHUNK_BYTES):
        tap.feed(data[at : at + CHUNK_BYTES])
    tap.finish()


def _metrics(data: bytes) -> None:
    read_exposition(data.decode(), lambda name: any(kind.wants(name) for kind in _KINDS))


def _form(data: bytes) -> None:
    finish(model_in_form(data))


def _body_of(item: bytes) -> Callable[[int], bytes]:
    return lambda size: b'{"messages":[' + b",".join([item] * (size // (len(item) + 1))) + b"]}"


def _items(item: bytes) -> Callable[[int], bytes]:
    return lambda size: b'{"input":[%b{}]}' % ((item + b",") * (size // (len(item) + 1)))


def _blocks(block: bytes) -> Callable[[int], bytes]:
    """A message of blocks of content, of which the last one is an image."""
    head, end = b'{"messages":[{"role":"user","content":[', b'{"type":"image"}]}]}'
    return lambda size: head + (block + b",") * max(1, size // (len(block) + 1)) + end


def _many(item: bytes) -> Callable[[int], bytes]:
    return lambda size: item * (size // len(item))


_MESSAGE = b'{"role":"user","content":"' + b"a word and another one " * 40 + b'"}'

CASES: dict[str, tuple[Callable[[bytes], None], Callable[[int], bytes]]] = {
    "body, usual messages": (_body, _body_of(_MESSAGE)),
    "body, one text": (_body, lambda size: b'{"prompt":"%b"}' % (b"a" * size)),
    "body, empty messages": (_body, _body_of(b"{}")),
    "body, deep": (_body, lambda size: b'{"messages":' + b"[" * size),
    "body, escapes": (_body, lambda size: b'{"prompt":"%b"}' % (rb"\u00e9" * (size // 6))),
    "body, no UTF-8": (_body, lambda size: b'{"prompt":"%b\xff"}' % (b"a" * size)),
    "body, lenient number at its end": (_body, lambda size: b'{"messages":[%b1],"n":NaN}' % (b"{}," * (size // 3))),
    "prompt, empty items": (_prompt, _items(b"{}")),
    "prompt, numbers as items": (_prompt, _items(b"1e5")),
    "prompt, tokens": (_prompt, lambda size: b'{"prompt":[%b1]}' % (b"12345," * (size // 6))),
    "prompt, texts": (_prompt, lambda size: b'{"prompt":[%b""]}' % (b'"a",' * (size // 4))),
    "prompt, empty blocks": (_prompt, _blocks(b"{}")),
    "prompt, text blocks": (_prompt, _blocks(b'{"type":"text","text":""}')),
    "prompt, images": (_prompt, _blocks(b'{"type":"image"}')),
    "prompt, cache marks": (_prompt, _blocks(b'{"cache_control":null}')),
    "prompt, commas after a mark": (
        _prompt,
        lambda size: _blocks(b'{"cache_control":null,"text":"%b"}' % (b"," * size))(size),
    ),
    "prompt, escaped quotes": (_prompt, lambda size: _blocks(b'{"text":"%b"}' % (rb"\"" * (size // 2)))(size)),
    "stream, usual events": (_stream, _many(b'data: {"choices":[{"delta":{"content":" word"}}]}\n\n')),
    "stream, usage in each event": (
        _stream,
        _many(b'data: {"choices":[{"delta":{}}],"usage":{"prompt_tokens":1,"completion_tokens":1}}\n\n'),
    ),
    "stream, empty events": (_stream, _many(b"\n\n")),
    "stream, no end": (_stream, _many(b'"usage":')),
    "answer, usual": (
        _answer,
        lambda size: (
            b'{"choices":[{"message":{"content":"%b"}}],"usage":{"prompt_tokens":1,"completion_tokens":1}}'
            % (b"word " * (size // 5))
        ),
    ),
    "answer, usage key again and again": (_answer, _many(b'"usage":{')),
    "metrics, unwanted series": (_metrics, _many(b'vllm:other_bucket{engine="0",le="0.5"} 1.0\n')),
    "metrics, wanted series": (_metrics, _many(b'vllm:num_requests_running{engine="0",model_name="m"} 1.0\n')),
    "metrics, one line": (_metrics, lambda size: b"vllm:num_requests_running{" + b'a="b",' * (size // 6) + b"} 1"),
    "form, no model": (_form, _many(b"\r\ncontent-disposition: form-data; name=other\r\n")),
}
"""By name: the reader, and what makes its input of about this many bytes."""


def costs(size: int = MEGABYTE) -> Iterator[tuple[str, float]]:
    """The CPU time in milliseconds that each case costs for a megabyte."""
    for name, (read, make) in CASES.items():
        data = make(size)
        began = time.process_time()
        read(data)
        yield name, (time.process_time() - began) * 1000 * MEGABYTE / len(data)


def steps(read: Callable[[bytes], None], data: bytes) -> int:
    """How many lines of Python run. Unlike a time, this does not depend on the machine and its load."""
    count = 0

    def trace(frame: FrameType, event: str, arg: object) -> Any:  # noqa: ANN401 - it returns itself
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        read(data)
    finally:
        sys.settrace(before)
    return count
