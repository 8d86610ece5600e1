"""The cost of recognition: `python -m tests.benchmarks.recognition` measures the time in which a body becomes a chain.

*read* is the time in which the reader finds the fields that it needs. *slices* is how much of it the slices of the
prompt cost: the same reader without them is measured too. *chain* is the time of `chain_of` on a body that has been
read. *added* is the sum of slices and chain: all that recognition by content adds to a request. All figures are
medians, in microseconds. The texts are source code. The kinds:

- *text*: chat messages with a text as content;
- *blocks*: Messages API with content blocks, results of tools, and a mark of the prompt cache that moves;
- *escaped*: Chinese text with each character as an escape;
- *images*: the same size with 4 images of a base64 data URI.
"""

import argparse
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

import msgspec

from concur_proxy.recognition.segments import chain_of
from concur_proxy.wire.request.body import Prompt, _Wire
from concur_proxy.wire.request.view import RequestReader, RequestView

HEAD = """\
| body | bytes | messages | segments | read | slices | chain | added |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"""
SOURCE = "".join(
    path.read_text() for path in sorted((Path(__file__).parents[2] / "concur_proxy" / "relay").glob("*.py"))
)
WITHOUT_SLICES = msgspec.json.Decoder(
    msgspec.defstruct(
        "WithoutSlices",
        [(name, object, None) for name in _Wire.__struct_fields__ if name not in Prompt.__struct_fields__],
    )
)
WITH_SLICES = msgspec.json.Decoder(_Wire)


def text(kind: str, index: int, size: int) -> str:
    """A text that takes `size` bytes of JSON, about."""
    if kind == "escaped":
        return "".join(chr(0x4E00 + (index * 97 + i) % 5000) for i in range(size // 6))
    start = index * 1931 % (len(SOURCE) - size)
    return SOURCE[start : start + size * 95 // 100]


def message(kind: str, index: int, size: int, *, marked: bool) -> dict[str, object]:
    """One message of a conversation."""
    role = "assistant" if index % 2 else "user"
    if kind == "images" and index in (2, 4, 6, 8):
        url = f"data:image/png;base64,{'iVBORw0KGgo' * (size // 11)}"
        return {"role": role, "content": [{"type": "image_url", "image_url": {"url": url}}]}
    if kind != "blocks":
        return {"role": role, "content": text(kind, index, size)}
    block: dict[str, object] = {"type": "text", "text": text(kind, index, size)}
    if role == "user":
        block = {"type": "tool_result", "tool_use_id": f"toolu_{index}", "content": [block]}
    if marked:
        block["cache_control"] = {"type": "ephemeral"}
    return {"role": role, "content": [{"type": "text", "text": "ok"}, block]}


def body(kind: str, size: int, messages: int) -> bytes:
    """A request of `size` bytes, about."""
    each = size // messages
    sent = [message(kind, i, each - 40, marked=i == messages - 1) for i in range(messages)]
    return json.dumps({"model": "m", "messages": sent, "stream": True}, separators=(",", ":")).encode()


def micros(call: Callable[[], object], rounds: int) -> float:
    """The median time of a call."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return median(times) * 1e6


def row(kind: str, size: int, messages: int, rounds: int) -> str:
    """Measure one body."""
    data, reader = body(kind, size, messages), RequestReader()

    def view() -> RequestView:
        made = reader.view("POST", b"/", "/v1/chat/completions", [(b"authorization", b"Bearer sk-0123456789")])
        made.body = data
        return made

    read_view = view()
    chain = chain_of(read_view)
    assert chain is not None
    read = micros(lambda: view().json, rounds)
    slices = micros(lambda: WITH_SLICES.decode(data), rounds) - micros(lambda: WITHOUT_SLICES.decode(data), rounds)
    cost = micros(lambda: chain_of(read_view), rounds)
    figures = (f"{figure:.0f}" for figure in (read, slices, cost, slices + cost))
    return f"| {kind} | {len(data)} | {messages} | {len(chain)} | " + " | ".join(figures) + " |"


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=1000, help="calls for each figure")
    rounds = parser.parse_args(argv).rounds
    print(HEAD)
    for size, messages in ((4_000, 4), (212_000, 60)):
        for kind in ("text", "blocks", "escaped", "images"):
            print(row(kind, size, messages, rounds))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
