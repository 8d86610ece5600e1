"""A message or an item of a prompt: its canonical form, its size, its media.

What a message means is the same in several forms. A list with one text block is that text, and the marks of Anthropic's
prompt cache, which clients move from turn to turn, say nothing.
"""

import re
from collections.abc import Generator, Iterable

import msgspec
from xxhash import xxh3_64_digest, xxh3_128_digest

from concur_proxy.recognition.marks import CACHE_MARK, without_marks
from concur_proxy.recognition.recent import Recent
from concur_proxy.recognition.sizes import NO_MEDIA, Media, MediaScan, may_have_media, read_part, read_plain, text_bytes
from concur_proxy.steps import finish

PIECE_BYTES = 4096
"""The size of the pieces of a long segment, and of a prompt that is one text or a list of tokens."""
WHOLE_BYTES = 2 * PIECE_BYTES
"""A message up to this size is one segment."""
MOST_MESSAGES = 32_768
"""Messages whose reading is remembered, about 300 bytes each."""
MOST_PIECES = 8
"""Longer messages are read each time: what is remembered of a message grows with its pieces."""

FREE_OBJECTS = 64
OBJECT_BYTES = 40
MOST_OBJECTS = 1 << 17
"""In a message of more objects than one for each `OBJECT_BYTES`, or than `MOST_OBJECTS`, media are not sought. Reading
them would take far longer than the size suggests.
"""
QUOTE_BYTES = 8
"""So it is in one of more quotation marks than one for each so many bytes, apart from those in texts."""
SCANNED_BYTES = 16 * 1024
"""In a longer message, media are sought without a first look at all of its text, which can take longer."""

_START = re.compile(rb'\{\s*(?:"type"\s*:\s*"message"\s*,\s*)?"role"\s*:\s*"([a-z]+)"\s*,\s*"content"\s*:\s*(?:(")|\[)')
"""The beginning of most messages. Where the content is a text, group 2 matches, and they have no media."""
_TEXT_GROUP = 2
_HEAD_ROLES = ("system", "developer")
_INPUT_ROLES = ("user", "tool", "function_call_output", "custom_tool_call_output")
_TEXTS_START = re.compile(
    rb'\[\s*\{\s*"(?:type"\s*:\s*"(?:text|input_text|output_text)"\s*,\s*"text"\s*:|text"\s*:)\s*"'
)
_TEXTS_END = b'"}]}'
_MARK_END_BYTES = 192
"""A mark of a message whose content is a text comes after the text."""
STEP_BYTES = 1024 * 1024
"""A larger message is read in several steps."""
_CONTENT_BYTES = 1024
"""Where these first bytes of a content are found, it usually begins."""


class NoPromptError(Exception):
    """It is not one prompt that can be read."""


class _TextBlock(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """A content part that has nothing but its text."""

    type: str
    text: msgspec.Raw


_TEXTS = msgspec.json.Decoder(list[_TextBlock])
_ONE_TEXT = msgspec.json.Decoder(tuple[_TextBlock])


class Message(msgspec.Struct, gc=False):
    """What has been read of a message."""

    is_head: bool
    """Whether it is the operator's: no part of the conversation, if it comes before all others."""
    input_digest: bytes
    """A hash of all of its canonical form if it is the user's or a tool's result. Empty if the model has written it."""
    items: int
    """Number of media."""
    digest: bytes
    """A hash of its canonical form, or of the first piece if it is long."""
    size: int
    more: tuple[tuple[bytes, int], ...] = ()
    """Digests and sizes of the further pieces of a long message."""


class Messages:
    """Reads messages. It remembers those of the latest prompts: a turn repeats those of the turn before, so that only
    new ones must be read.
    """

    def __init__(self) -> None:
        self._recent: Recent[Message] = Recent(MOST_MESSAGES)

    def __len__(self) -> int:
        """How many are remembered."""
        return len(self._recent)

    def clear(self) -> None:
        """Forget them. The next prompts are read completely."""
        self._recent.clear()

    def read(self, item: bytes | msgspec.Raw, scope: int, scan: MediaScan) -> Message:
        """Read a message or an item of a client. Messages of different scopes are remembered apart."""
        key = xxh3_128_digest(item, scope)
        known = self._recent.get(key)
        if known is None:
            raw = bytes(item)
            known = self._remember(key, _read_text(raw) or finish(_read_item(raw, scan)))
        return known

    def read_in_steps(self, item: bytes | msgspec.Raw, scope: int, scan: MediaScan) -> Generator[None, None, Message]:
        """Read a message, which may be very large, as `read` does."""
        key = xxh3_128_digest(item, scope)
        known = self._recent.get(key)
        if known is None:
            raw = bytes(item)
            known = self._remember(key, _read_text(raw) or (yield from _read_item(raw, scan)))
        return known

    def _remember(self, key: bytes, message: Message) -> Message:
        if len(message.more) < MOST_PIECES:
            self._recent.put(key, message)
        return message


def pieces(raw: bytes) -> Iterable[bytes]:
    """A long text in pieces of `PIECE_BYTES`."""
    return (raw[at : at + PIECE_BYTES] for at in range(0, len(raw), PIECE_BYTES))


def _message(role: str | None, raw: bytes, media: Media) -> Message:
    """Make a message of its role or type, its canonical form and its media."""
    is_head, is_input, (items, media_bytes) = role in _HEAD_ROLES, role in _INPUT_ROLES, media
    whole = xxh3_64_digest(raw)
    input_digest = whole if is_input else b""
    if items or len(raw) <= WHOLE_BYTES:
        size = text_bytes(raw)
        return Message(is_head, input_digest, items, whole, max(0, size - media_bytes) if items else size)
    (digest, size), *more = [(xxh3_64_digest(piece), text_bytes(piece)) for piece in pieces(raw)]
    return Message(is_head, input_digest, 0, digest, size, tuple(more))


def _read_text(raw: bytes) -> Message | None:
    """Read a message whose content is a text, or a list of text blocks. None for any other message."""
    start = _START.match(raw)
    text = None if start is None else _only_text(raw, start)
    return None if start is None or text is None else _message(start[1].decode(), text, NO_MEDIA)


def _only_text(raw: bytes, start: re.Match[bytes]) -> bytes | None:
    """Return the canonical form of a message whose content is a text, or a list of text blocks. None for another."""
    if start.lastindex == _TEXT_GROUP:
        end = raw[-_MARK_END_BYTES:]
        return raw[:-_MARK_END_BYTES] + finish(without_marks(end)) if CACHE_MARK in end else raw
    if not raw.endswith(_TEXTS_END):
        return None
    at = start.end() - 1
    content = raw[at:-1]
    text = canonical(content)
    if text is None or text is content:
        return text and raw
    return b"%b%b}" % (raw[:at], text)


def _read_item(raw: bytes, scan: MediaScan) -> Generator[None, None, Message]:
    """Read any message or item. Each step takes 1 to 2 ms for a megabyte."""
    seeks_media = not (_has_many_braces(raw) and (yield from _has_many_objects(raw)))
    plain = read_plain(raw) if seeks_media else None
    if plain is not None and (type(plain.content) is not list or len(plain.content) != 1):
        return _message(plain.role or plain.type, raw, NO_MEDIA)
    if raw[:1] != b"{":  # such as a list in a list: several prompts
        raise NoPromptError
    yield
    whole = raw
    if len(raw) > STEP_BYTES or CACHE_MARK in raw:
        raw = yield from without_marks(raw)
    part = read_part(raw)
    role = part.role or part.type
    yield
    if plain is None and seeks_media and (len(raw) > SCANNED_BYTES or may_have_media(raw)):
        media = scan.media_in(part, raw)
        if media[0]:
            return _message(role, raw, media)
        yield
    if raw is whole and raw.endswith(_TEXTS_END) and _START.match(raw) is not None:
        return _message(role, raw, NO_MEDIA)  # `_read_text` has seen that it is no text
    content = bytes(part.content)
    text = canonical(content)
    yield
    return _message(role, raw if text is None or text is content else _with(raw, content, text), NO_MEDIA)


def _with(raw: bytes, content: bytes, text: bytes) -> bytes:
    """Replace the content. A search for the beginning is far quicker than one for megabytes."""
    at = raw.find(content[:_CONTENT_BYTES])
    if raw.startswith(content, at):
        return raw[:at] + text + raw[at + len(content) :]
    return raw.replace(content, text, 1)


def _most_objects(raw: bytes) -> int:
    return min(FREE_OBJECTS + len(raw) // OBJECT_BYTES, MOST_OBJECTS)


def _has_many_braces(raw: bytes) -> bool:
    """Whether a message may have more objects than can be read in the time that its size suggests."""
    return raw.count(b"{") > _most_objects(raw)


def _has_many_objects(raw: bytes) -> Generator[None, None, bool]:
    """Whether it has, apart from braces in texts."""
    objects = is_text = start = 0
    while start < len(raw):
        end = start + STEP_BYTES
        while raw[end - 1 : end] == b"\\":
            end += 1
        parts = raw[start:end].replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"', STEP_BYTES // QUOTE_BYTES)
        objects += b"".join(parts[is_text::2]).count(b"{")
        if objects > _most_objects(raw) or len(parts) > STEP_BYTES // QUOTE_BYTES:
            return True
        is_text ^= len(parts) % 2 == 0
        start = end
        yield
    return False


def canonical(content: bytes) -> bytes | None:
    """Return the text of a list with a single text block, which means the same; a list of several text blocks as it is;
    None for any other content, and for a list of very many objects.
    """
    if content[-3:] != b'"}]' or _TEXTS_START.match(content) is None:
        return None
    is_long = len(content) > SCANNED_BYTES and _has_many_braces(content)
    try:
        blocks = (_ONE_TEXT if is_long else _TEXTS).decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return bytes(blocks[0].text) if len(blocks) == 1 else content
