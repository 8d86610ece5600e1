"""What one answer cost, in tokens, as the engine counted it."""

from dataclasses import dataclass


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
