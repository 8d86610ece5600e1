"""What an engine's cache did for the answers of one gate, in tokens.

Unlike the promises in `TokenAccounts`, which count only sessions that kept their places, these counts contain every
answer: also context that was lost because its session had to give up its place.
"""

PART_OF_BLOCK_TOKENS = 64
"""So many tokens of a prompt may be computed again although its cache was kept: only whole blocks can hit."""


class CacheUse:
    """Totals over all answers whose engine reported how much of the prompt was cached."""

    def __init__(self) -> None:
        self.answers = 0
        """Answers counted."""
        self.cached_tokens = 0
        """Prompt tokens that were in the cache."""
        self.returning_tokens = 0
        """Context that came back: the part of each prompt that its conversation had sent or received before."""
        self.recomputed_tokens = 0
        """The part of `returning_tokens` that the engine had to compute again."""

    def count(self, *, prompt: int, cached: int, common: int, last_prompt: int | None) -> None:
        """Count an answer. `prompt`, `cached`: as the engine reported them. `common`: how much of the prompt belongs to
        the conversation's earlier turns, by the gateway's estimate. `last_prompt`: its last prompt.

        Nothing was computed again if the engine has found the whole last prompt. The rest of the common part was the
        last answer, and the client has sent that in another form, such as without its reasoning.
        """
        common = min(common, prompt)
        if last_prompt is not None and cached >= min(common, last_prompt) - PART_OF_BLOCK_TOKENS:
            common = min(common, cached)
        self.answers += 1
        self.cached_tokens += cached
        self.returning_tokens += common
        self.recomputed_tokens += max(0, common - cached)
