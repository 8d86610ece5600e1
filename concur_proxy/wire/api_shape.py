"""The families of API that the engines speak, by the shape of their errors, events and usage."""

from enum import Enum


class ApiShape(Enum):
    """Whose conventions a path follows."""

    OPENAI = "openai"
    """chat/completions, completions and everything that answers in their manner."""
    RESPONSES = "responses"
    """OpenAI's responses: errors as OPENAI, but named events and another usage record."""
    ANTHROPIC = "anthropic"
    """messages and count_tokens."""
    SGLANG = "sglang"
    """SGLang's own /generate: `meta_info` instead of `usage`."""


def shape_of_path(path: str) -> ApiShape:
    """The conventions a caller of `path` expects, also of a path that is unknown or was added by configuration."""
    if path.startswith("/v1/messages"):
        return ApiShape.ANTHROPIC
    if path.startswith("/v1/responses"):
        return ApiShape.RESPONSES
    if path in ("/generate", "/vertex_generate"):
        return ApiShape.SGLANG
    return ApiShape.OPENAI
