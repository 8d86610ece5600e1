"""The chain of a request's prompt, from the slices of its body.

The segments are in the order in which an engine reads them: tools, system prompt, then each message or item. A long
one is several segments, so that prompts that share only its beginning share segments.
"""

import re
from collections.abc import Iterable
from hashlib import blake2b
from struct import pack

import msgspec
from xxhash import xxh3_64_digest, xxh3_64_intdigest, xxh3_128_digest

from concur_proxy.recognition.chain import HASH_BYTES, Chain
from concur_proxy.recognition.recent import Recent
from concur_proxy.recognition.sizes import (
    NO_MEDIA,
    SLICES,
    Media,
    MediaScan,
    may_have_media,
    read_part,
    read_plain,
    text_bytes,
)
from concur_proxy.wire.request.body import MAX_COMMAS, Prompt
from concur_proxy.wire.request.view import RequestView

PIECE_BYTES = 4096
"""The size of the pieces of a long segment, and of a prompt that is one text or a list of tokens."""
WHOLE_BYTES = 2 * PIECE_BYTES
"""A message up to this size is one segment."""
MAX_SEGMENTS = 1024
"""The rest of a longer prompt is part of the last segment."""
MAX_SIZE = 0xFFFFFFFF
"""The largest size that a segment can have. A body is smaller, unless `max_body_bytes` is above 4 GB."""
MAX_ITEMS = 20_000
"""A prompt of more messages has no chain: no conversation is that long."""
MOST_MESSAGES = 65_536
"""Messages whose reading is remembered, about 300 bytes each."""
TOKEN_BYTES = 4
"""The size of the text of one token, where a prompt is a list of tokens."""

CREDENTIALS = (b"authorization", b"x-api-key", b"api-key")
"""The headers that tell one client from another."""

_START = re.compile(rb'\{\s*(?:"type"\s*:\s*"message"\s*,\s*)?"role"\s*:\s*"([a-z]+)"\s*,\s*"content"\s*:\s*(?:(")|\[)')
"""The beginning of most messages. Where the content is a text, group 2 matches, and they have no media."""
_TEXT_GROUP = 2
_HEAD_ROLES = ("system", "developer")
_TEXTS_START = re.compile(
    rb'\[\s*\{\s*"(?:type"\s*:\s*"(?:text|input_text|output_text)"\s*,\s*"text"\s*:|text"\s*:)\s*"'
)
_CACHE_MARK = b'"cache_control"'
_MARK_COMMA_BYTES = 64
"""The comma before a mark is not further away from it than this."""
_MARK_END_BYTES = 128
"""A mark of a message whose content is a text comes after the text."""
_CACHE_MARKS = re.compile(
    rb',\s*"cache_control"\s*:\s*(?:null|\{[^{}]{0,200}\})|"cache_control"\s*:\s*(?:null|\{[^{}]{0,200}\})\s*,?'
)
"""In a text the quotation marks have backslashes, so that it never matches."""


class _NoPromptError(Exception):
    """It is not one prompt that can be read."""


class _TextBlock(msgspec.Struct, forbid_unknown_fields=True):
    """A content part that has nothing but its text."""

    type: str
    text: msgspec.Raw


_TEXTS = msgspec.json.Decoder(list[_TextBlock])


def chain_of(view: RequestView) -> Chain | None:
    """Return the chain of a generating request's prompt. Never raises.

    None if the body has no prompt that the gateway can read, or several prompts.
    """
    body = view.json
    if body.prompt is None:
        return None
    segments = _Segments(_scope(view, body.model))
    try:
        _add_prompt(segments, body.prompt)
    except (_NoPromptError, msgspec.DecodeError, RecursionError):
        return None
    return segments.chain(continues=body.continues)


def _scope(view: RequestView, model: str | None) -> int:
    """Return the start of the chain: another one for each credential and model."""
    values = view.values
    parts = [values.get(name, b"") for name in CREDENTIALS]
    parts.append(b"" if model is None else model.encode())
    sizes = pack("<4Q", *map(len, parts))
    return int.from_bytes(blake2b(sizes + b"".join(parts), digest_size=HASH_BYTES).digest(), "little")


class _Segments:
    """The segments found so far."""

    def __init__(self, scope: int) -> None:
        self.head = 0
        self._scope = self._hash = scope
        self._hashes: list[int] = []
        self._sizes: list[int] = []
        self._media: list[int] = []

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._hashes)

    def end_head(self) -> None:
        """All segments so far are tools and system prompt."""
        self.head = len(self._hashes)

    def add(self, raw: bytes) -> None:
        """Add a part of the prompt without media."""
        for piece in _pieces(raw) if len(raw) > WHOLE_BYTES else (raw,):
            self._add_segment(piece, text_bytes(piece))

    def add_message(self, raw: bytes, scan: MediaScan) -> bool:
        """Add a message or an item. Returns whether it is the operator's."""
        key = xxh3_128_digest(raw, self._scope)
        known = _MESSAGES.get(key)
        if known is None:
            known = _read_message(raw, scan)
            _MESSAGES.put(key, known)
        if known.items:
            self._media.extend([len(self._hashes)] * known.items)
        self._add_digest(known.digest, known.size)
        for digest, size in known.more:
            self._add_digest(digest, size)
        return known.is_head

    def add_text(self, raw: bytes) -> None:
        """Add a text that may be continued in the next prompt."""
        for piece in _pieces(raw):
            self._add_segment(piece, text_bytes(piece))

    def add_tokens(self, raw: bytes) -> None:
        """Add a list of tokens, without its brackets."""
        for piece in _pieces(raw):
            self._add_segment(piece, TOKEN_BYTES * piece.count(b","))
        self._sizes[-1] += TOKEN_BYTES

    def _add_segment(self, raw: bytes, size: int) -> None:
        self._add_digest(xxh3_64_digest(raw), size)

    def _add_digest(self, digest: bytes, size: int) -> None:
        self._hash = xxh3_64_intdigest(digest, self._hash)
        self._hashes.append(self._hash)
        self._sizes.append(size)

    def chain(self, *, continues: bool) -> Chain | None:
        """Return the chain; None if it has no segments."""
        hashes, sizes, media, last = self._hashes, self._sizes, self._media, MAX_SEGMENTS - 1
        if not hashes:
            return None
        if len(hashes) > MAX_SEGMENTS:
            hashes = [*hashes[:last], hashes[-1]]
            sizes = [*sizes[:last], min(sum(sizes[last:]), MAX_SIZE)]
            media = [min(index, last) for index in media]
        return Chain(
            hashes=pack(f"<{len(hashes)}Q", *hashes),
            sizes=pack(f"<{len(sizes)}I", *sizes),
            media=tuple(media),
            head=min(self.head, len(hashes)),
            continues=continues,
        )


class _Message(msgspec.Struct, gc=False):
    """What has been read of a message."""

    is_head: bool
    """Whether it is the operator's: no part of the conversation, if it comes before all others."""
    items: int
    """Number of media."""
    digest: bytes
    """A hash of its canonical form, or of the first piece of it."""
    size: int
    more: tuple[tuple[bytes, int], ...] = ()
    """Digests and sizes of the further pieces of a long message."""


_MESSAGES: Recent[_Message] = Recent(MOST_MESSAGES)
"""The messages of the latest prompts. A turn repeats those of the turn before, so that only new ones must be read.
A key is a hash of the client's scope and the message as it was sent.
"""


def _pieces(raw: bytes) -> Iterable[bytes]:
    return (raw[at : at + PIECE_BYTES] for at in range(0, len(raw), PIECE_BYTES))


def _add_prompt(segments: _Segments, prompt: Prompt) -> None:
    messages, items = prompt.messages, bytes(prompt.input)
    if isinstance(messages, list):
        _add_conversation(segments, bytes(prompt.tools), bytes(prompt.system), messages)
    elif items[:1] == b"[":
        _add_conversation(segments, bytes(prompt.tools), bytes(prompt.instructions), _slices(items))
    elif items[:1] == b'"':
        only = msgspec.Raw(b'{"role":"user","content":%b}' % items)
        _add_conversation(segments, bytes(prompt.tools), bytes(prompt.instructions), [only])
    else:
        _add_plain(segments, next(filter(_is_plain, map(bytes, (prompt.prompt, prompt.input_ids, prompt.text))), b""))


def _add_conversation(segments: _Segments, tools: bytes, system: bytes, items: list[msgspec.Raw]) -> None:
    """Add tools, system prompt, and messages or items. Leading messages of the operator are part of the head."""
    _add_head(segments, _without_marks(tools), _without_marks(system))
    scan, in_head = MediaScan(), True
    if len(items) > MAX_ITEMS:
        raise _NoPromptError
    for item in items:
        start = segments.count
        is_head = segments.add_message(bytes(item), scan)
        if in_head and not is_head:
            segments.head, in_head = start, False
    if in_head:
        segments.end_head()


def _add_head(segments: _Segments, tools: bytes, system: bytes) -> None:
    if tools[:1] == b"[" and len(tools) > len(b"[]"):
        segments.add(tools)
    if system[:1] == b'"':
        segments.add(system)
    elif system[:1] == b"[":
        for block in _slices(system):
            content = b"[%b]" % bytes(block)
            segments.add(_canonical(content) or content)
    segments.end_head()


def _read_message(raw: bytes, scan: MediaScan) -> _Message:
    """Read a message or an item."""
    start, media = _START.match(raw), NO_MEDIA
    if start is not None and (text := _only_text(raw, start)) is not None:
        role: str | None = start[1].decode()
        raw = text
    else:
        role, raw, media = _read_item(raw, scan)
    is_head, (items, media_bytes) = role in _HEAD_ROLES, media
    if items or len(raw) <= WHOLE_BYTES:
        return _Message(is_head, items, xxh3_64_digest(raw), max(0, text_bytes(raw) - media_bytes))
    (digest, size), *more = [(xxh3_64_digest(piece), text_bytes(piece)) for piece in _pieces(raw)]
    return _Message(is_head, 0, digest, size, tuple(more))


def _only_text(raw: bytes, start: re.Match[bytes]) -> bytes | None:
    """Return the canonical form of a message whose content is a text, or a list of text blocks. None for any other
    message.
    """
    if start.lastindex == _TEXT_GROUP:
        return _without_marks(raw) if _CACHE_MARK in raw[-_MARK_END_BYTES:] else raw
    if raw[-4:] != b'"}]}':
        return None
    at = start.end() - 1
    content = raw[at:-1]
    text = _canonical(content)
    if text is None or text is content:
        return text and raw
    return b"%b%b}" % (raw[:at], text)


def _read_item(raw: bytes, scan: MediaScan) -> tuple[str | None, bytes, Media]:
    """Return the role, the canonical form and the media of any item."""
    plain = read_plain(raw)
    if plain is not None and (type(plain.content) is not list or len(plain.content) != 1):
        return plain.role, raw, NO_MEDIA
    if raw[:1] != b"{":  # such as a list in a list: several prompts
        raise _NoPromptError
    raw = _without_marks(raw)
    part = read_part(raw)
    if plain is None and may_have_media(raw) and (media := scan.media_in(part, raw))[0]:
        return part.role, raw, media
    content = bytes(part.content)
    text = _canonical(content) or content
    return part.role, raw if text is content else raw.replace(content, text, 1), NO_MEDIA


def _canonical(content: bytes) -> bytes | None:
    """Return the text of a list with a single text block, which means the same; a list of several text blocks as it is;
    None for any other content.
    """
    if content[-3:] != b'"}]' or _TEXTS_START.match(content) is None:
        return None
    try:
        blocks = _TEXTS.decode(content)
    except (msgspec.DecodeError, RecursionError):
        return None
    return bytes(blocks[0].text) if len(blocks) == 1 else content


def _without_marks(raw: bytes) -> bytes:
    """Remove the marks of Anthropic's prompt cache: clients move them from turn to turn."""
    first = raw.find(_CACHE_MARK)
    if first < 0:
        return raw
    start = max(0, first - _MARK_COMMA_BYTES)
    return raw[:start] + _CACHE_MARKS.sub(b"", raw[start:])


def _slices(raw: bytes) -> list[msgspec.Raw]:
    if len(raw) > MAX_COMMAS and raw.count(b",") > MAX_COMMAS:
        raise _NoPromptError
    return SLICES.decode(raw)


def _is_plain(prompt: bytes) -> bool:
    return prompt[:1] in (b'"', b"[")


def _add_plain(segments: _Segments, prompt: bytes) -> None:
    """Add a text or a list of tokens, or one of them in a list."""
    if prompt[:1] == b"[" and not prompt[1:2].isdigit():
        prompts = _slices(prompt)
        if len(prompts) != 1:
            raise _NoPromptError
        prompt = bytes(prompts[0])
    if prompt[:1] == b'"':
        segments.add_text(prompt[1:-1])
    elif prompt[:1] == b"[" and prompt[1:2].isdigit():
        segments.add_tokens(prompt[1:-1])
