"""The chain of a request's prompt, from the slices of its body.

The segments are in the order in which an engine reads them: tools, system prompt, then each message or item. A long
one is several segments, so that prompts that share only its beginning share segments.
"""

import re
from collections.abc import Iterable
from hashlib import blake2b
from struct import pack

import msgspec
from xxhash import xxh3_64_intdigest

from concur_proxy.recognition.chain import HASH_BYTES, Chain
from concur_proxy.recognition.sizes import NO_MEDIA, SLICES, Media, MediaScan, may_have_media, read_part, text_bytes
from concur_proxy.wire.request.body import Prompt
from concur_proxy.wire.request.view import RequestView

PIECE_BYTES = 4096
"""The size of the pieces of a long segment, and of a prompt that is one text or a list of tokens."""
WHOLE_BYTES = 2 * PIECE_BYTES
"""A message up to this size is one segment."""
MAX_SEGMENTS = 1024
"""The rest of a longer prompt is part of the last segment."""
MAX_ITEMS = 20_000
"""A prompt of more messages has no chain: no conversation is that long."""
TOKEN_BYTES = 4
"""The size of the text of one token, where a prompt is a list of tokens."""

CREDENTIALS = (b"authorization", b"x-api-key", b"api-key")
"""The headers that tell one client from another."""

MAX_COMMAS = 1 << 19
"""A list with more commas is not read: each of its elements would cost memory."""

_START = re.compile(rb'\{\s*"role"\s*:\s*"([a-z]+)"\s*,\s*"content"\s*:\s*(["\[])')
"""The beginning of most messages. Where the content is a text, they have no media."""
_HEAD_ROLES = (b"system", b"developer")
_ONE_TEXT_START = re.compile(
    rb'\[\s*\{\s*"(?:type"\s*:\s*"(?:text|input_text|output_text)"\s*,\s*"text"\s*:|text"\s*:)\s*"'
)
_CACHE_MARK = b'"cache_control"'
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


_ONE_TEXT = msgspec.json.Decoder(tuple[_TextBlock])


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
        self._hash = scope
        self._hashes: list[int] = []
        self._sizes: list[int] = []
        self._media: list[int] = []

    def end_head(self) -> None:
        """All segments so far are tools and system prompt."""
        self.head = len(self._hashes)

    def add(self, raw: bytes, media: Media = NO_MEDIA) -> None:
        """Add a part of the prompt, with its media."""
        items, media_bytes = media
        if items:
            self._media.extend([len(self._hashes)] * items)
            self._add_segment(raw, max(0, text_bytes(raw) - media_bytes))
        elif len(raw) <= WHOLE_BYTES:
            self._add_segment(raw, text_bytes(raw))
        else:
            for piece in _pieces(raw):
                self._add_segment(piece, text_bytes(piece))

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
        self._hash = xxh3_64_intdigest(raw, self._hash)
        self._hashes.append(self._hash)
        self._sizes.append(size)

    def chain(self, *, continues: bool) -> Chain | None:
        """Return the chain; None if it has no segments."""
        hashes, sizes, media, last = self._hashes, self._sizes, self._media, MAX_SEGMENTS - 1
        if not hashes:
            return None
        if len(hashes) > MAX_SEGMENTS:
            hashes = [*hashes[:last], hashes[-1]]
            sizes = [*sizes[:last], sum(sizes[last:])]
            media = [min(index, last) for index in media]
        return Chain(
            hashes=pack(f"<{len(hashes)}Q", *hashes),
            sizes=pack(f"<{len(sizes)}I", *(min(size, 0xFFFFFFFF) for size in sizes)),
            media=tuple(media),
            head=min(self.head, len(hashes)),
            continues=continues,
        )


def _pieces(raw: bytes) -> Iterable[bytes]:
    return (raw[at : at + PIECE_BYTES] for at in range(0, len(raw), PIECE_BYTES))


def _add_prompt(segments: _Segments, prompt: Prompt) -> None:
    messages, items = bytes(prompt.messages), bytes(prompt.input)
    if messages[:1] == b"[":
        _add_conversation(segments, bytes(prompt.tools), bytes(prompt.system), messages)
    elif items[:1] == b"[":
        _add_conversation(segments, bytes(prompt.tools), bytes(prompt.instructions), items)
    elif items[:1] == b'"':
        items = b'[{"role":"user","content":%b}]' % items
        _add_conversation(segments, bytes(prompt.tools), bytes(prompt.instructions), items)
    else:
        for media in map(bytes, (prompt.image_data, prompt.audio_data, prompt.video_data)):
            _add_media(segments, media)
        _add_plain(segments, next(filter(_is_plain, map(bytes, (prompt.prompt, prompt.input_ids, prompt.text))), b""))


def _add_media(segments: _Segments, raw: bytes) -> None:
    """Add media that stand next to a text."""
    items = len(_slices(raw)) if raw[:1] == b"[" else int(raw[:1] == b'"')
    if items:
        segments.add(raw, (items, len(raw)))


def _add_conversation(segments: _Segments, tools: bytes, system: bytes, items: bytes) -> None:
    """Add tools, system prompt, and messages or items. Leading messages of the operator are part of the head."""
    _add_head(segments, _without_marks(tools), _without_marks(system))
    slices, scan, in_head = _slices(items), MediaScan(), True
    if len(slices) > MAX_ITEMS:
        raise _NoPromptError
    for item in slices:
        raw = bytes(item)
        start = _START.match(raw)
        if start is not None and start[2] == b'"':
            role, media = start[1], NO_MEDIA
            if _CACHE_MARK in raw[-_MARK_END_BYTES:]:
                raw = _without_marks(raw)
        else:
            role, raw, media = _read_item(raw, start, scan)
        if in_head and role not in _HEAD_ROLES:
            segments.end_head()
            in_head = False
        segments.add(raw, media)
    if in_head:
        segments.end_head()


def _add_head(segments: _Segments, tools: bytes, system: bytes) -> None:
    if tools[:1] == b"[" and len(tools) > len(b"[]"):
        segments.add(tools)
    if system[:1] == b'"':
        segments.add(system)
    elif system[:1] == b"[":
        for block in _slices(system):
            segments.add(_text_of_one(b"[%b]" % bytes(block)))
    segments.end_head()


def _read_item(raw: bytes, start: re.Match[bytes] | None, scan: MediaScan) -> tuple[bytes, bytes, Media]:
    """Return the role, the canonical form and the media of an item whose content is no text, or not found yet."""
    if raw[:1] != b"{":  # such as a list in a list: several prompts
        raise _NoPromptError
    raw = _without_marks(raw)
    has_media = may_have_media(raw)
    if start is not None and not has_media and raw[-2:] == b"]}":
        at = start.start(2)
        content = raw[at:-1]
        text = _text_of_one(content)
        return start[1], raw if text is content else b"%b%b}" % (raw[:at], text), NO_MEDIA
    part = read_part(raw)
    role = (part.role or "").encode("utf-8", "replace")
    if has_media and (media := scan.media_in(part, raw))[0]:
        return role, raw, media
    content = bytes(part.content)
    text = _text_of_one(content)
    return role, raw if text is content else raw.replace(content, text, 1), NO_MEDIA


def _text_of_one(content: bytes) -> bytes:
    """Return the text of a list with a single text block, which means the same; any other content as it is."""
    if content[-3:] != b'"}]' or _ONE_TEXT_START.match(content) is None:
        return content
    try:
        (block,) = _ONE_TEXT.decode(content)
    except (msgspec.DecodeError, RecursionError):
        return content
    return bytes(block.text)


def _without_marks(raw: bytes) -> bytes:
    """Remove the marks of Anthropic's prompt cache: clients move them from turn to turn."""
    return _CACHE_MARKS.sub(b"", raw) if _CACHE_MARK in raw else raw


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
