"""The chain of a request's prompt, from the slices of its body.

The segments are in the order in which an engine reads them: tools, system prompt, then each message or item. A long
one is several segments, so that prompts that share only its beginning share segments.
"""

from collections.abc import Generator, Iterable
from functools import lru_cache
from hashlib import blake2b
from struct import pack

import msgspec
from xxhash import xxh3_64_digest, xxh3_64_intdigest

from concur_proxy.recognition.chain import HASH_BYTES, MOST_INPUTS, Chain
from concur_proxy.recognition.messages import (
    PIECE_BYTES,
    WHOLE_BYTES,
    Messages,
    NoPromptError,
    canonical,
    pieces,
    without_marks,
)
from concur_proxy.recognition.sizes import SLICES, MediaScan, text_bytes
from concur_proxy.recognition.tenants import credential_of
from concur_proxy.steps import finish
from concur_proxy.wire.request.body import MAX_COMMAS, Prompt
from concur_proxy.wire.request.view import RequestView

MAX_SEGMENTS = 1024
"""The rest of a longer prompt is part of the last segment."""
MAX_SIZE = 0xFFFFFFFF
"""The largest size that a segment can have. A body is smaller, unless `max_body_bytes` is above 4 GB."""
MAX_ITEMS = 20_000
"""A prompt of more messages has no chain: no conversation is that long."""
FREE_ITEMS = 1500
ITEM_BYTES = 256
"""The messages of a prompt have at least so many bytes on average, beyond the first `FREE_ITEMS`. Millions of tiny ones
would take far longer to read than their size suggests, so such a prompt has no chain.
"""
STEP_BYTES = 256 * 1024
"""Bytes of a prompt that are read in one step."""

Steps = Generator[None, None, Chain | None]
"""Reads a prompt in steps, so that its caller can do other work between two of them. It returns the chain."""
TOKEN_BYTES = 4
"""The size of the text of one token, where a prompt is a list of tokens."""

MOST_SCOPES = 256
"""Remembered scopes of tenants and models."""

_STEP_PIECES = STEP_BYTES // PIECE_BYTES

_MESSAGES = Messages()


def forget_messages() -> None:
    """Forget the messages of the latest prompts. Those of a flood would keep much more memory than their own: an
    allocator cannot give back a page with one small object in it.
    """
    _MESSAGES.clear()


def chain_of(view: RequestView) -> Chain | None:
    """Return the chain of a generating request's prompt. Never raises.

    None if the body has no prompt that the gateway can read, or several prompts.
    """
    return finish(chain_in_steps(view))


def chain_in_steps(view: RequestView) -> Steps:
    """Find the chain as `chain_of` does, in steps."""
    body = view.json
    if body.prompt is None:
        return None
    segments = _Segments(_scope(view, body.model))
    try:
        yield from _add_prompt(segments, body.prompt)
    except (NoPromptError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return segments.chain(continues=body.continues)


def fingerprint_of(view: RequestView) -> bytes:
    """Return a hash of the client and the body, by which a request that is sent again is known. Never raises."""
    return xxh3_64_digest(view.body, _scope(view, view.json.model))


def _scope(view: RequestView, model: str | None) -> int:
    """Return the start of the chain: another one for each tenant and model."""
    return _scope_of(credential_of(view.values) if view.tenant is None else view.tenant, model)


@lru_cache(maxsize=MOST_SCOPES)
def _scope_of(tenant: str, model: str | None) -> int:
    parts = [tenant.encode("utf-8", "surrogatepass"), b"" if model is None else model.encode()]
    sizes = pack("<2Q", *map(len, parts))
    return int.from_bytes(blake2b(sizes + b"".join(parts), digest_size=HASH_BYTES).digest(), "little")


class _Segments:
    """The segments found so far."""

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
        self._media.extend([len(self._hashes)] * items)
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
            message = read(item, scope, scan)
            if in_head and not message.is_head:
                self.head, in_head = len(hashes), False
            if message.items:
                self._media.extend([len(hashes)] * message.items)
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

    def _add_segment(self, raw: bytes, size: int) -> None:
        self._hash = xxh3_64_intdigest(xxh3_64_digest(raw), self._hash)
        self._hashes.append(self._hash)
        self._sizes.append(size)

    def chain(self, *, continues: bool) -> Chain | None:
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


def _add_prompt(segments: _Segments, prompt: Prompt) -> Generator[None, None, None]:
    messages, items = prompt.messages, bytes(prompt.input)
    if isinstance(messages, list):
        yield from _add_conversation(segments, bytes(prompt.tools), bytes(prompt.system), messages)
    elif items[:1] == b"[":
        yield from _add_conversation(segments, bytes(prompt.tools), bytes(prompt.instructions), _slices(items))
    elif items[:1] == b'"':
        only = msgspec.Raw(b'{"role":"user","content":%b}' % items)
        yield from _add_conversation(segments, bytes(prompt.tools), bytes(prompt.instructions), [only])
    else:
        for media in map(bytes, (prompt.image_data, prompt.audio_data, prompt.video_data)):
            _add_media(segments, media)
        yield from _add_plain(
            segments, next(filter(_is_plain, map(bytes, (prompt.prompt, prompt.input_ids, prompt.text))), b"")
        )


def _add_media(segments: _Segments, raw: bytes) -> None:
    """Add media that stand next to a text."""
    items = len(_slices(raw)) if raw[:1] == b"[" else int(raw[:1] == b'"')
    if items:
        segments.add_media(raw, items)


def _add_conversation(
    segments: _Segments, tools: bytes, system: bytes, items: list[msgspec.Raw]
) -> Generator[None, None, None]:
    """Add tools, system prompt, and messages or items. Leading messages of the operator are part of the head."""
    _check_number(items)
    _add_head(segments, without_marks(tools), without_marks(system))
    if len(tools) + len(system) > STEP_BYTES:
        yield
    yield from segments.add_messages(items)


def _check_number(items: list[msgspec.Raw]) -> None:
    """Raise `NoPromptError` if there are more parts than a conversation has."""
    free = FREE_ITEMS + sum(map(len, items)) // ITEM_BYTES if len(items) > FREE_ITEMS else FREE_ITEMS
    if len(items) > min(free, MAX_ITEMS):
        raise NoPromptError


def _add_head(segments: _Segments, tools: bytes, system: bytes) -> None:
    if tools[:1] == b"[" and len(tools) > len(b"[]"):
        segments.add(tools)
    if system[:1] == b'"':
        segments.add(system)
    elif system[:1] == b"[":
        blocks = _slices(system)
        if len(blocks) > FREE_ITEMS:
            raise NoPromptError
        for block in blocks:
            content = b"[%b]" % bytes(block)
            segments.add(canonical(content) or content)
    segments.end_head()


def _slices(raw: bytes) -> list[msgspec.Raw]:
    if len(raw) > MAX_COMMAS and raw.count(b",") > MAX_COMMAS:
        raise NoPromptError
    return SLICES.decode(raw)


def _is_plain(prompt: bytes) -> bool:
    return prompt[:1] in (b'"', b"[")


def _add_plain(segments: _Segments, prompt: bytes) -> Generator[None, None, None]:
    """Add a text or a list of tokens, or one of them in a list."""
    if prompt[:1] == b"[" and not prompt[1:2].isdigit():
        prompts = _slices(prompt)
        if len(prompts) != 1:
            raise NoPromptError
        prompt = bytes(prompts[0])
    if prompt[:1] == b'"':
        yield from segments.add_text(prompt[1:-1])
    elif prompt[:1] == b"[" and prompt[1:2].isdigit():
        yield from segments.add_tokens(prompt[1:-1])
