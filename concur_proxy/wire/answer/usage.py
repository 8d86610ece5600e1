"""What one answer cost, in tokens, as the engine counted it."""

from dataclasses import dataclass, replace

MOST_TOKENS = 100_000_000
"""No answer has more: the longest contexts of models have 10 million tokens, and a batch has several prompts."""


MOST_CHOICES = 128
"""Answers that one request may ask for. Their tokens are added up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    prompt_tokens: int
    """All tokens of the prompt, with the cached ones, whatever the API calls this sum."""
    completion_tokens: int
    """All generated tokens, over all choices."""
    cached_tokens: int | None = None
    """Prompt tokens found in the prefix cache. None where the engine does not report them (vLLM reports them with
    --enable-prompt-tokens-details).
    """

    @property
    def context_tokens(self) -> int:
        """Tokens in the session's context after this answer."""
        return self.prompt_tokens + self.completion_tokens


def plausible(usage: Usage, *, max_model_len: int | None = None) -> Usage | None:
    """The counts without those that cannot be true; None if the prompt's or the completion's is one of them.

    `max_model_len` is the longest context of the model; None: not known, or the request has several prompts, whose
    tokens are added up. A count of cached tokens beyond the prompt is left out.
    """
    most = MOST_TOKENS if max_model_len is None else min(max_model_len, MOST_TOKENS)
    if not (0 <= usage.prompt_tokens <= most and 0 <= usage.completion_tokens <= min(MOST_CHOICES * most, MOST_TOKENS)):
        return None
    if usage.cached_tokens is not None and not 0 <= usage.cached_tokens <= usage.prompt_tokens:
        return replace(usage, cached_tokens=None)
    return usage
