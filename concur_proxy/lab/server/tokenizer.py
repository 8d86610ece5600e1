"""A tokenizer of four bytes a token, of which each message starts anew: a history that goes on keeps its tokens."""

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
"""What answers are made of: one token each."""


def encode(parts: list[str]) -> bytes:
    """The tokens of these texts, four bytes each; a text's last token is padded, so that the next begins anew."""
    return b"".join(_padded(part.encode()) for part in parts)


def answer(tokens: int, *, seed: int) -> str:
    """A text of exactly `tokens` tokens, the same for the same seed."""
    start = Random(seed).randrange(len(_PIECES))  # noqa: S311 - a text, no secret
    return "".join(islice(cycle(_PIECES[start:] + _PIECES[:start]), tokens))


def block_keys(tokens: bytes, block_tokens: int) -> BlockKeys:
    """A key for each whole block of encoded `tokens`: its content."""
    size = block_tokens * TOKEN_BYTES
    return tuple(tokens[at : at + size] for at in range(0, len(tokens) - size + 1, size))


def _padded(text: bytes) -> bytes:
    return text.ljust(-(-len(text) // TOKEN_BYTES) * TOKEN_BYTES, b"\0")
