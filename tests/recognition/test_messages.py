import json

import pytest

from concur_proxy.recognition.messages import MOST_MESSAGES, MOST_PIECES, PIECE_BYTES, Messages
from concur_proxy.recognition.sizes import MediaScan

IMAGE = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]}
MARKED = {"role": "user", "content": [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}]}


@pytest.mark.parametrize(
    "message",
    [
        {"role": "system", "content": "You help."},
        {"role": "user", "content": "x" * 3 * PIECE_BYTES},
        {"role": "user", "content": "x" * 2 * MOST_PIECES * PIECE_BYTES},
        IMAGE,
        MARKED,
        {"type": "function_call_output", "output": "x"},
    ],
)
def test_a_message_is_the_same_when_it_comes_again(message: dict[str, object]) -> None:
    messages, raw = Messages(), json.dumps(message, separators=(",", ":")).encode()
    first = messages.read(raw, 1, MediaScan())
    assert messages.read(raw, 1, MediaScan()) == first
    assert messages.read(raw, 2, MediaScan()) == first
    assert first == Messages().read(raw, 1, MediaScan())


def test_what_is_remembered_is_bounded() -> None:
    messages, scan = Messages(), MediaScan()
    for number in range(2 * MOST_MESSAGES):
        messages.read(b'{"role":"user","content":"%d"}' % number, 1, scan)
    assert len(messages) <= MOST_MESSAGES
    before = len(messages)
    messages.read(b'{"role":"user","content":"' + b"x" * 2 * MOST_PIECES * PIECE_BYTES + b'"}', 1, scan)
    assert len(messages) == before
