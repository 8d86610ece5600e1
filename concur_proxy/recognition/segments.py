"""The chain of a request's prompt, from the slices of its body.

The segments are in the order in which an engine reads them: tools, system prompt, then each message or item. A long
one is several segments, so that prompts that share only its beginning share segments.
"""

from collections.abc import Generator
from functools import lru_cache
from hashlib import blake2b
from struct import pack

import msgspec
from xxhash import xxh3_64_digest

from concur_proxy.recognition.chain import HASH_BYTES, Chain
from concur_proxy.recognition.chain_builder import ITEM_BYTES, STEP_BYTES, ChainBuilder
from concur_proxy.recognition.marks import without_marks
from concur_proxy.recognition.messages import NoPromptError, canonical
from concur_proxy.recognition.sizes import MAX_MEDIA
from concur_proxy.recognition.tenants import credential_of
from concur_proxy.steps import finish
from concur_proxy.wire.request.body import MAX_MESSAGES, Prompt
from concur_proxy.wire.request.pieces import elements_of
from concur_proxy.wire.request.view import RequestView

FREE_ITEMS = 1500
"""A prompt of more messages has a chain only if they have `ITEM_BYTES` each on average. Millions of tiny ones would
take far longer to read than their size suggests.
"""

Steps = Generator[None, None, Chain | None]
"""Reads a prompt in steps, so that its caller can do other work between two of them. It returns the chain."""

MOST_SCOPES = 256
"""Remembered scopes of tenants and models."""


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
    builder = ChainBuilder(_scope(view, body.model))
    try:
        yield from _add_prompt(builder, body.prompt)
    except (NoPromptError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return builder.build(continues=body.continues)


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


def _add_prompt(builder: ChainBuilder, prompt: Prompt) -> Generator[None, None, None]:
    messages, items = prompt.messages, bytes(prompt.input)
    if isinstance(messages, list):
        yield from _add_conversation(builder, bytes(prompt.tools), bytes(prompt.system), messages)
    elif items[:1] == b"[":
        elements = yield from _elements(items, MAX_MESSAGES)
        yield from _add_conversation(builder, bytes(prompt.tools), bytes(prompt.instructions), elements)
    elif items[:1] == b'"':
        only = msgspec.Raw(b'{"role":"user","content":%b}' % items)
        yield from _add_conversation(builder, bytes(prompt.tools), bytes(prompt.instructions), [only])
    else:
        for media in map(bytes, (prompt.image_data, prompt.audio_data, prompt.video_data)):
            yield from _add_media(builder, media)
        yield from _add_plain(
            builder, next(filter(_is_plain, map(bytes, (prompt.prompt, prompt.input_ids, prompt.text))), b"")
        )


def _add_media(builder: ChainBuilder, raw: bytes) -> Generator[None, None, None]:
    """Add media that stand next to a text."""
    items = len((yield from _elements(raw, MAX_MEDIA))) if raw[:1] == b"[" else int(raw[:1] == b'"')
    if items:
        builder.add_media(raw, items)


def _add_conversation(
    builder: ChainBuilder, tools: bytes, system: bytes, items: list[msgspec.Raw]
) -> Generator[None, None, None]:
    """Add tools, system prompt, and messages or items. Leading messages of the operator are part of the head."""
    _check_number(items)
    tools = yield from without_marks(tools)
    system = yield from without_marks(system)
    yield from _add_head(builder, tools, system)
    yield from builder.add_messages(items)


def _check_number(items: list[msgspec.Raw]) -> None:
    """Raise `NoPromptError` if there are more parts than a conversation has."""
    if len(items) > FREE_ITEMS and (
        len(items) > MAX_MESSAGES or len(items) > FREE_ITEMS + sum(map(len, items)) // ITEM_BYTES
    ):
        raise NoPromptError


def _add_head(builder: ChainBuilder, tools: bytes, system: bytes) -> Generator[None, None, None]:
    unseen = len(system)
    if tools[:1] == b"[" and len(tools) > len(b"[]"):
        builder.add(tools)
        unseen += len(tools)
    if system[:1] == b'"':
        builder.add(system)
    elif system[:1] == b"[":
        for block in (yield from _elements(system, FREE_ITEMS)):
            unseen += ITEM_BYTES + len(block)
            if unseen > STEP_BYTES:
                yield
                unseen = 0
            content = b"[%b]" % bytes(block)
            builder.add(canonical(content) or content)
    builder.end_head()
    if unseen > STEP_BYTES:
        yield


def _elements(array: bytes, most: int) -> Generator[None, None, list[msgspec.Raw]]:
    """The elements of an array. Raises `NoPromptError` if there are more than `most`."""
    elements = yield from elements_of(array, most)
    if elements is None:
        raise NoPromptError
    return elements


def _is_plain(prompt: bytes) -> bool:
    return prompt[:1] in (b'"', b"[")


def _add_plain(builder: ChainBuilder, prompt: bytes) -> Generator[None, None, None]:
    """Add a text or a list of tokens, or one of them in a list."""
    if prompt[:1] == b"[" and not prompt[1:2].isdigit():
        prompts = yield from _elements(prompt, 1)
        if not prompts:
            raise NoPromptError
        prompt = bytes(prompts[0])
    if prompt[:1] == b'"':
        yield from builder.add_text(prompt[1:-1])
    elif prompt[:1] == b"[" and prompt[1:2].isdigit():
        yield from builder.add_tokens(prompt[1:-1])
