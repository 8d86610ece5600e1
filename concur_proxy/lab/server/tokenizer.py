"""A tokenizer with four bytes per token. Each message starts a new token, so a growing history keeps its tokens."""

from itertools import cycle, islice
from random import Random

from concur_proxy.lab.engine.prefix_cache import BlockKeys

TOKEN_BYTES = 4

_PIECES = (
    "the ",
    "run ",
    "and ",
    "for ",
    "fix ",
    "set ",
    "got ",
    "one ",
    "two ",
    "end ",
    "try ",
    "see ",
    "log ",
    "add ",
)
"""The pieces of answers, one token each."""


def encode(parts: list[str]) -> bytes:
    """The tokens of these texts, four bytes each. The last token of a text is padded."""
    return b"".join(_padded(part.encode()) for part in parts)


def answer(tokens: int, *, seed: int) -> str:
    """A text of exactly `tokens` tokens; the same seed gives the same text."""
    start = Random(seed).randrange(len(_PIECES))  # noqa: S311 - a text, not a secret
    return "".join(islice(cycle(_PIECES[start:] + _PIECES[:start]), tokens))


def block_keys(tokens: bytes, block_tokens: int) -> BlockKeys:
    """The content of each whole block of the encoded `tokens`."""
    size = block_tokens * TOKEN_BYTES
    return tuple(tokens[at : at + size] for at in range(0, len(tokens) - size + 1, size))


def _padded(text: bytes) -> bytes:
    return text.ljust(-(-len(text) // TOKEN_BYTES) * TOKEN_BYTES, b"\0")
