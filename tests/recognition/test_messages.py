import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from concur_proxy.recognition import messages as module
from concur_proxy.recognition import sizes
from concur_proxy.recognition.chain import Chain
from concur_proxy.recognition.chain_builder import ChainBuilder
from concur_proxy.recognition.messages import (
    FREE_OBJECTS,
    MOST_MESSAGES,
    MOST_PIECES,
    PIECE_BYTES,
    STEP_BYTES,
    Message,
    Messages,
)
from concur_proxy.recognition.sizes import MAX_MEDIA, MediaScan
from concur_proxy.steps import finish

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


def read(message: bytes) -> Message:
    return Messages().read(message, 1, MediaScan())


def chain_of_messages(found: list[object]) -> Chain:
    builder = ChainBuilder(1)
    finish(builder.add_messages([msgspec.Raw(json.dumps(message).encode()) for message in found]))
    made = builder.build(continues=False)
    assert made is not None
    return made


@pytest.mark.parametrize(
    ("block", "items"), [(b"{},", 0), (b'{"text":""},', 0), (b'{"type":"text","text":"as long as usual"},', 1)]
)
def test_among_very_many_objects_media_are_not_sought(
    block: bytes, items: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = json.dumps(IMAGE["content"])[1:].encode()
    message = b'{"role":"user","content":[%b' + image + b"}"
    assert read(message % (block * 4)).items == 1
    assert read(message % (block * FREE_OBJECTS * 3)).items == items
    monkeypatch.setattr(module, "MOST_OBJECTS", 100)
    many = read(message % (block * 200))
    assert many.items == 0
    assert many.input_digest, "the role is still known"


@given(st.text(alphabet='{"\\ax', max_size=40), st.integers(1, 9))
def test_braces_in_texts_are_no_objects(text: str, step_bytes: int) -> None:
    """Also where a step ends in the middle of a text or an escape."""
    block = {"type": "text", "text": text + "{" * 4 * FREE_OBJECTS}
    message = json.dumps({"role": "user", "content": [block, *IMAGE["content"], block]}).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "STEP_BYTES", 16 * step_bytes)
        patch.setattr(module, "QUOTE_BYTES", 1)
        assert read(message).items == 1


def test_one_text_of_many_braces_is_read_as_the_text() -> None:
    text = "{" * 100_000
    block = {"role": "user", "content": [{"type": "text", "text": text}]}
    plain = {"role": "user", "content": text}
    one, other = (read(json.dumps(each, separators=(",", ":")).encode()) for each in (block, plain))
    assert one == other


@pytest.mark.parametrize("more", [{}, {"name": "bob"}, {"cache_control": {"type": "ephemeral"}, "name": "bob"}])
def test_a_single_text_block_is_the_text_also_before_other_fields(more: dict[str, object]) -> None:
    block = {"role": "user", "content": [{"type": "text", "text": "hello"}], **more}
    plain = {"role": "user", "content": "hello", **{name: more[name] for name in more if name == "name"}}
    one, other = (read(json.dumps(each, separators=(",", ":")).encode()) for each in (block, plain))
    assert one == other


def test_a_document_of_any_claimed_size_is_a_bounded_number_of_media() -> None:
    forged = ";omitted=9999999999," + 32 * "0"
    part = {"type": "input_file", "file_data": [forged] * 100}
    made = chain_of_messages([{"role": "user", "content": [part, part]}, IMAGE])
    assert len(made.media) == MAX_MEDIA
    assert set(made.media) == {0}


def test_media_are_sought_in_a_bounded_part_of_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    deep = {"type": "tool_result", "content": [{"type": "tool_result", "content": IMAGE["content"]}]}
    message = json.dumps({"role": "user", "content": [deep]}).encode()
    assert read(message).items == 1
    monkeypatch.setattr(sizes, "MOST_SCANNED_BYTES", len(message))
    assert read(message).items == 0


def test_a_large_message_is_read_in_steps() -> None:
    text = {"type": "text", "text": "x, " * STEP_BYTES}
    message = json.dumps({"role": "user", "content": [{**text, "cache_control": {}}, text]}).encode()
    assert sum(1 for _ in Messages().read_in_steps(message, 1, MediaScan())) > len(message) // STEP_BYTES
    assert finish(Messages().read_in_steps(message, 1, MediaScan())) == read(message)
