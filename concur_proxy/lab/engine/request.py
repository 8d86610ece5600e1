"""One request inside the engine."""

from concur_proxy.lab.engine.prefix_cache import BlockKeys, CacheNode


class EngineRequest:
    """A prompt, its future answer, and the engine's progress. Only the engine changes it."""

    __slots__ = (
        "cached_tokens",
        "computed",
        "generated",
        "keys",
        "node",
        "output_tokens",
        "pinned_blocks",
        "private_blocks",
        "prompt_tokens",
    )

    def __init__(self, *, keys: BlockKeys, prompt_tokens: int, output_tokens: int) -> None:
        """`keys` has the content of each whole block of prompt and answer, so the next turn can find the answer in the
        cache.
        """
        if prompt_tokens < 1 or output_tokens < 1:
            raise ValueError("a request needs at least one prompt token and one token to generate")
        self.keys = keys
        self.prompt_tokens = prompt_tokens
        self.output_tokens = output_tokens
        """Length of the answer."""
        self.generated = 0
        """Answer tokens generated so far; a preemption does not lose them."""
        self.computed = 0
        """Tokens whose keys and values are in the cache."""
        self.cached_tokens: int | None = None
        """Prompt tokens found in the cache when the request first entered the batch; None before that."""
        self.node: CacheNode | None = None
        """The last node of its sequence in the tree, while it is in the batch."""
        self.pinned_blocks = 0
        self.private_blocks = 0

    @property
    def known_tokens(self) -> int:
        """Prompt and generated tokens."""
        return self.prompt_tokens + self.generated

    @property
    def is_prefilling(self) -> bool:
        """Whether it has more to compute than its newest token."""
        return self.computed < self.known_tokens - 1 or self.generated == 0

    @property
    def is_finished(self) -> bool:
        """Whether the answer is complete."""
        return self.generated == self.output_tokens
