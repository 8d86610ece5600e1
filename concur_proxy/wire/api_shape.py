"""The API families of the engines. They differ in the shape of their errors, events and usage."""

from enum import Enum


class ApiShape(Enum):
    """The conventions that a path follows."""

    OPENAI = "openai"
    """chat/completions, completions and everything that answers alike."""
    RESPONSES = "responses"
    """OpenAI's responses: errors like OPENAI, but events with names and another usage record."""
    ANTHROPIC = "anthropic"
    """messages and count_tokens."""
    SGLANG = "sglang"
    """SGLang's own /generate, with `meta_info` instead of `usage`."""


def shape_of_path(path: str) -> ApiShape:
    """Return the conventions that a caller of `path` expects. It need not be a known path."""
    if path.startswith("/v1/messages"):
        return ApiShape.ANTHROPIC
    if path.startswith("/v1/responses"):
        return ApiShape.RESPONSES
    if path in ("/generate", "/vertex_generate"):
        return ApiShape.SGLANG
    return ApiShape.OPENAI
