"""Builds the chain of a prompt from its parts, in the order in which an engine reads them."""

from collections.abc import Generator, Iterable
from struct import pack

import msgspec
from xxhash import xxh3_64_digest, xxh3_64_intdigest

from concur_proxy.recognition.chain import MOST_INPUTS, Chain
from concur_proxy.recognition.messages import PIECE_BYTES, WHOLE_BYTES, Messages, pieces
from concur_proxy.recognition.sizes import MAX_MEDIA, MediaScan, text_bytes

MAX_SEGMENTS = 1024
"""The rest of a longer prompt is part of the last segment."""
MAX_SIZE = 0xFFFFFFFF
"""The largest size that a segment can have. A body is smaller, unless `max_body_bytes` is above 4 GB."""
ITEM_BYTES = 256
"""Reading a message takes as long as so many bytes, in addition to its own."""
STEP_BYTES = 256 * 1024
"""Bytes of a prompt that are read in one step."""
TOKEN_BYTES = 4
"""The size of the text of one token, where a prompt is a list of tokens."""

_STEP_PIECES = STEP_BYTES // PIECE_BYTES

_MESSAGES = Messages()


def forget_messages() -> None:
    """Forget the messages of the latest prompts. Those of a flood would keep much more memory than their own: an
    allocator cannot give back a page with one small object in it.
    """
    _MESSAGES.clear()


class ChainBuilder:
    """The segments of one prompt that were added so far."""

    def __init__(self, scope: int) -> None:
        self.head = 0
        self._scope = self._hash = scope
        self._hashes: list[int] = []
        self._sizes: list[int] = []
        self._media: list[int] = []
        self._inputs: list[int] = []

    def end_head(self) -> None:
        """All segments so far are tools and system prompt."""
        self.head = len(self._hashes)

    def add(self, raw: bytes) -> None:
        """Add a part of the prompt without media."""
        for piece in pieces(raw) if len(raw) > WHOLE_BYTES else (raw,):
            self._add_segment(piece, text_bytes(piece))

    def add_media(self, raw: bytes, items: int) -> None:
        """Add a part of the prompt that is media only."""
        self._note_media(items)
        self._add_segment(raw, 0)

    def add_messages(self, items: Iterable[msgspec.Raw]) -> Generator[None, None, None]:
        """Add messages or items. The operator's are part of the head if they come before all others."""
        scope, chained, scan, in_head = self._scope, self._hash, MediaScan(), True
        hashes, sizes, inputs, unseen, said = self._hashes, self._sizes, self._inputs, 0, scope
        read, is_asked = _MESSAGES.read, False
        for item in items:
            unseen += ITEM_BYTES + len(item)
            if unseen > STEP_BYTES:
                yield
                unseen = 0
                message = yield from _MESSAGES.read_in_steps(item, scope, scan)
            else:
                message = read(item, scope, scan)
            if in_head and not message.is_head:
                self.head, in_head = len(hashes), False
            if message.items:
                self._note_media(message.items)
            if message.input_digest:
                said, is_asked = xxh3_64_intdigest(message.input_digest, said), True
            elif is_asked:
                inputs.append(said)
                is_asked = False
            chained = xxh3_64_intdigest(message.digest, chained)
            hashes.append(chained)
            sizes.append(message.size)
            for digest, size in message.more:
                chained = xxh3_64_intdigest(digest, chained)
                hashes.append(chained)
                sizes.append(size)
        self._hash = chained
        if is_asked:
            inputs.append(said)
        if in_head:
            self.end_head()

    def add_text(self, raw: bytes) -> Generator[None, None, None]:
        """Add a text that may be continued in the next prompt."""
        for number, piece in enumerate(pieces(raw), 1):
            self._add_segment(piece, text_bytes(piece))
            if not number % _STEP_PIECES:
                yield

    def add_tokens(self, raw: bytes) -> Generator[None, None, None]:
        """Add a list of tokens, without its brackets."""
        for number, piece in enumerate(pieces(raw), 1):
            self._add_segment(piece, TOKEN_BYTES * piece.count(b","))
            if not number % _STEP_PIECES:
                yield
        self._sizes[-1] += TOKEN_BYTES

    def _note_media(self, items: int) -> None:
        """The next segment has these media. A client that says how large a document is can claim any number."""
        self._media.extend([len(self._hashes)] * min(items, MAX_MEDIA - len(self._media)))

    def _add_segment(self, raw: bytes, size: int) -> None:
        self._hash = xxh3_64_intdigest(xxh3_64_digest(raw), self._hash)
        self._hashes.append(self._hash)
        self._sizes.append(size)

    def build(self, *, continues: bool) -> Chain | None:
        """Return the chain; None if it has no segments."""
        hashes, sizes, media, last = self._hashes, self._sizes, self._media, MAX_SEGMENTS - 1
        inputs = self._inputs[-MOST_INPUTS:]
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
            inputs=pack(f"<{len(inputs)}Q", *inputs),
        )
