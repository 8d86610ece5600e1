"""How much text and how many media are in a part of a prompt, as JSON."""

import re
from typing import Literal

import msgspec

from concur_proxy.wire.request.condense import full_size

Media = tuple[int, int]
"""The number of media in a part of a prompt, and how many bytes of its slice they take."""
NO_MEDIA: Media = (0, 0)

MEDIA_TYPES = frozenset(
    (
        *("image", "image_url", "input_image", "computer_screenshot", "image_generation_call", "image_embeds"),
        *("audio_url", "input_audio", "audio_embeds", "video", "video_url", "input_video"),
        *("file", "input_file", "document"),
    )
)
"""The types of content parts in the three APIs, as vLLM and SGLang also take them, that are no text. Each is one item,
also where it is only referred to (URL, file id). A document and a video are more, see `ITEM_BYTES`.
"""
ITEM_BYTES = {
    **dict.fromkeys(("file", "input_file", "document"), 100_000),
    **dict.fromkeys(("video", "video_url", "input_video"), 1_000_000),
}
"""About as many bytes of a document or video have the tokens of an image: a page of a PDF, seconds of a video."""
UNTYPED = ("image_url", "audio_url", "video_url", "input_audio")
"""vLLM takes parts without a type that have one of these fields."""

EXACT_BYTES = 512
"""In a longer text, escapes are counted in three samples, after each quarter. Its ends are JSON, and not the text."""
SAMPLE_BYTES = 64
MAX_DEPTH = 4
"""Content is nested in content: documents and images in results of tools."""
MAX_PARTS = 4000
"""Further content parts of a prompt are counted as text."""
MAX_MEDIA = 4000
"""Further media of a prompt count nothing."""
MOST_SCANNED_BYTES = 10 * 1024 * 1024
"""Media are sought in so many bytes of a message. Those in content within content count at each depth."""


class Part(msgspec.Struct, gc=False):
    """A message, an item or a content part: the fields in which media can be."""

    role: str | None = None
    type: str | None = None
    content: msgspec.Raw = msgspec.Raw()
    output: msgspec.Raw = msgspec.Raw()
    source: msgspec.Raw = msgspec.Raw()
    image_url: msgspec.Raw = msgspec.Raw()
    audio_url: msgspec.Raw = msgspec.Raw()
    video_url: msgspec.Raw = msgspec.Raw()
    input_audio: msgspec.Raw = msgspec.Raw()

    @property
    def kind(self) -> str | None:
        """Its type, or what it is if it has none."""
        return self.type or next((name for name in UNTYPED if getattr(self, name)), None)


class Plain(msgspec.Struct, gc=False):
    """A message, an item or a content part without media and without marks of Anthropic's prompt cache. Decoding
    anything else fails: that is faster than looking through the decoded parts.
    """

    role: str | None = None
    type: (
        Literal[
            "text",
            "input_text",
            "output_text",
            "refusal",
            "message",
            "reasoning",
            "thinking",
            "redacted_thinking",
            "tool_use",
            "tool_result",
            "function_call",
            "function_call_output",
            "custom_tool_call",
            "custom_tool_call_output",
        ]
        | None
    ) = None
    content: "list[Plain] | str | None" = None
    output: str | None = None
    source: None = None
    image_url: None = None
    audio_url: None = None
    video_url: None = None
    input_audio: None = None
    cache_control: None = None


NO_PART = Part()

_PART = msgspec.json.Decoder(Part)
_PLAIN = msgspec.json.Decoder(Plain)
_PARTS = msgspec.json.Decoder(list[Part])
_SLICES = msgspec.json.Decoder(list[msgspec.Raw])
_MEDIA = re.compile(
    rb'"type"\s*:\s*"(?:%b)"|"(?:%b)"\s*:' % ("|".join(sorted(MEDIA_TYPES)).encode(), "|".join(UNTYPED).encode())
)
"""In a text the quotation marks have backslashes, so that it never matches."""
_OBJECT, _ARRAY = b"{["
_TEXT_SOURCES = ("text", "content")


def text_bytes(raw: bytes) -> int:
    """Return the size of JSON text in bytes of UTF-8. It is an estimate where characters are written as escapes.

    An escape takes six bytes and stands for a character of two bytes below U+1000, and of three above.
    """
    size = len(raw)
    sample = raw
    if size > EXACT_BYTES:
        first, second, third = size // 4, size // 2, size * 3 // 4
        sample = (
            raw[first : first + SAMPLE_BYTES] + raw[second : second + SAMPLE_BYTES] + raw[third : third + SAMPLE_BYTES]
        )
    escapes = sample.count(b"\\u")
    if not escapes:
        return size
    saved = 3 * escapes + sample.count(b"\\u0")
    return max(0, size - saved * size // len(sample))


def may_have_media(raw: bytes) -> bool:
    """Whether a message or item has an object of one of `MEDIA_TYPES`, at any depth."""
    return _MEDIA.search(raw) is not None


def read_part(raw: bytes | msgspec.Raw) -> Part:
    """Return the part that `raw` is; `NO_PART` if it has another shape."""
    try:
        return _PART.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return NO_PART


def read_plain(raw: bytes) -> Plain | None:
    """Return the message or item that `raw` is, if it is plain and has the usual types; else None."""
    try:
        return _PLAIN.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


class MediaScan:
    """Finds the media of one prompt."""

    def __init__(self) -> None:
        self._parts_left = MAX_PARTS
        self._bytes_left = 0

    def media_in(self, part: Part, raw: bytes) -> Media:
        """Return the number of media in a message or an item, and how many bytes of its slice `raw` they take."""
        self._bytes_left = MOST_SCANNED_BYTES
        return self._in_part(part, raw, 0)

    def _in_part(self, part: Part, raw: bytes | msgspec.Raw, depth: int) -> Media:
        kind = part.kind
        if kind in MEDIA_TYPES:
            source = read_part(part.source) if part.source else NO_PART
            if source.type not in _TEXT_SOURCES:
                return 1 + (full_size(raw) // ITEM_BYTES[kind] if kind in ITEM_BYTES else 0), len(raw)
            part = source  # a document of text
        if depth == MAX_DEPTH or not (part.content or part.output):
            return NO_MEDIA
        items, size = self._in_value(part.content, depth + 1)
        more_items, more_bytes = self._in_value(part.output, depth + 1)
        return items + more_items, size + more_bytes

    def _in_value(self, raw: msgspec.Raw, depth: int) -> Media:
        self._bytes_left -= len(raw)
        first = memoryview(raw)[0] if raw and self._bytes_left >= 0 else 0
        if first == _OBJECT:
            return self._in_part(read_part(raw), raw, depth)
        if first != _ARRAY:
            return NO_MEDIA
        try:
            parts = _PARTS.decode(raw)
            self._parts_left -= len(parts)
            if self._parts_left < 0:
                return NO_MEDIA
            slices = _SLICES.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return NO_MEDIA
        found = [self._in_part(part, piece, depth) for part, piece in zip(parts, slices, strict=True)]
        return sum(items for items, _ in found), sum(size for _, size in found)
