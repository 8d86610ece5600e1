"""What the tokens of a recorded prompt are, where the recording tells: ids of blocks."""

import math
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

from concur_proxy.lab.engine.prefix_cache import BlockKeys


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """The content of a prompt, or of a prompt and its answer. Two of them are equal as far as their ids are."""

    prompt_tokens: int
    block_tokens: int
    """Tokens for each id."""
    ids: "array[int]"
    """The blocks from the start of the prompt on. The last one may be cut."""
    head_tokens: int = 0
    """Tools and system prompt, which other sessions can have too. 0: unknown."""

    def common_tokens(self, other: "Content") -> int:
        """The length of the part that both begin with, in whole blocks."""
        pairs = enumerate(zip(self.ids, other.ids, strict=False))
        length = min(len(self.ids), len(other.ids))
        return next((number for number, (one, two) in pairs if one != two), length) * self.block_tokens

    def answered(
        self, answer_tokens: int, *, following: "Content | None", kept_tokens: int, fresh: Iterator[int]
    ) -> "Content":
        """The prompt with its answer. If the next prompt begins with this one, its next `kept_tokens` are the answer's.
        What no prompt shows gets `fresh` ids.
        """
        whole = self.ids[: self.prompt_tokens // self.block_tokens]
        ids = whole
        if following is not None and following.ids[: len(whole)] == whole:
            ids = following.ids[: math.ceil((self.prompt_tokens + kept_tokens) / self.block_tokens)]
        missing = math.ceil((self.prompt_tokens + answer_tokens) / self.block_tokens) - len(ids)
        return Content(
            prompt_tokens=self.prompt_tokens,
            block_tokens=self.block_tokens,
            ids=ids + array("q", [next(fresh) for _ in range(missing)]),
            head_tokens=self.head_tokens,
        )

    def keys(self, tokens: int, block_tokens: int) -> BlockKeys:
        """The keys of the engine's whole blocks in the first `tokens`. `block_tokens` divides this content's."""
        parts = self.block_tokens // block_tokens
        blocks = tokens // block_tokens
        ids = self.ids[: math.ceil(blocks / parts)]
        return tuple(chain.from_iterable(range(each * parts, (each + 1) * parts) for each in ids))[:blocks]
