"""Chat completions: turns a request's JSON into tokens, and tokens into the answer's JSON as vLLM writes it."""

import time
import zlib
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from concur_proxy.lab.engine.request import EngineRequest
from concur_proxy.lab.server import tokenizer
from concur_proxy.lab.server.options import EmulatorOptions


class BadRequest(Exception):  # noqa: N818 - named after the HTTP status
    """A request that a real engine would refuse."""

    def __init__(self, message: str, *, status: int = 400) -> None:
        super().__init__(message)
        self.status = status

    def body(self) -> dict[str, Any]:
        """The error as vLLM writes it."""
        kind = "NotFoundError" if self.status == 404 else "BadRequestError"
        return {"error": {"message": str(self), "type": kind, "param": None, "code": self.status}}


@dataclass(slots=True, kw_only=True)
class Chat:
    """One chat completion in progress."""

    request: EngineRequest
    text: str
    """The text of the whole answer."""
    model: str
    is_stream: bool
    tells_usage: bool
    """Whether a stream ends with a usage event."""
    finish_reason: str
    tells_cached: bool
    """Whether the usage reports cached tokens."""
    id: str = field(default_factory=lambda: f"chatcmpl-{uuid4().hex}")
    created: int = field(default_factory=lambda: int(time.time()))

    def answer(self) -> dict[str, Any]:
        """The complete answer, for a request without streaming."""
        message = {"role": "assistant", "content": self.text}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": self.finish_reason}
        return {**self._head("chat.completion"), "choices": [choice], "usage": self._usage()}

    def first_event(self) -> dict[str, Any]:
        """The first event of a stream; it contains no token."""
        return self._event({"role": "assistant", "content": ""}, None)

    def event(self, start: int, end: int) -> dict[str, Any]:
        """The event with the answer's tokens from `start` to `end`."""
        text = self.text[start * tokenizer.TOKEN_BYTES : end * tokenizer.TOKEN_BYTES]
        return self._event({"content": text}, self.finish_reason if end == self.request.output_tokens else None)

    def usage_event(self) -> dict[str, Any]:
        """The event without choices that a request gets with `include_usage`."""
        return {**self._head("chat.completion.chunk"), "choices": [], "usage": self._usage()}

    def _event(self, delta: dict[str, str], finish_reason: str | None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return {**self._head("chat.completion.chunk"), "choices": [choice]}

    def _head(self, kind: str) -> dict[str, Any]:
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model}

    def _usage(self) -> dict[str, Any]:
        prompt, completion = self.request.prompt_tokens, self.request.generated
        cached = {"cached_tokens": self.request.cached_tokens or 0} if self.tells_cached else None
        counts = {"prompt_tokens": prompt, "total_tokens": prompt + completion, "completion_tokens": completion}
        return {**counts, "prompt_tokens_details": cached}


def read_chat(body: object, options: EmulatorOptions) -> Chat:
    """Read a request's JSON. Raises `BadRequest` if it is not a valid chat."""
    if not isinstance(body, dict):
        raise BadRequest("the body must be a JSON object")
    model = body.get("model") or options.model
    if model != options.model:
        raise BadRequest(f"The model `{model}` does not exist.", status=404)
    prompt = tokenizer.encode(_parts(body.get("messages")))
    wanted = body.get("max_completion_tokens") or body.get("max_tokens")
    if wanted is not None and (not isinstance(wanted, int) or isinstance(wanted, bool) or wanted < 1):
        raise BadRequest(f"max_tokens must be at least 1, got {wanted}.")
    output_tokens = wanted or options.answer_tokens
    prompt_tokens = len(prompt) // tokenizer.TOKEN_BYTES
    if not options.shape.fits(prompt_tokens + output_tokens):
        raise BadRequest(
            f"This model's maximum context length is {options.capacity_tokens} tokens. However, you requested "
            f"{output_tokens} output tokens and your prompt contains {prompt_tokens} input tokens."
        )
    text = tokenizer.answer(output_tokens, seed=zlib.crc32(prompt))
    keys = tokenizer.block_keys(prompt + text.encode(), options.block_tokens)
    stream_options = body.get("stream_options") or {}
    return Chat(
        request=EngineRequest(keys=keys, prompt_tokens=prompt_tokens, output_tokens=output_tokens),
        text=text,
        model=model,
        is_stream=body.get("stream") is True,
        tells_usage=isinstance(stream_options, dict) and stream_options.get("include_usage") is True,
        finish_reason="stop" if wanted is None else "length",
        tells_cached=options.cached_tokens,
    )


def _parts(messages: object) -> list[str]:
    """The texts that a chat template produces: each message's role and content, then the role of the answer."""
    if not isinstance(messages, list) or not messages:
        raise BadRequest("messages must be a list of at least one message")
    parts: list[str] = []
    for message in messages:
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise BadRequest("each message must be an object with a role")
        parts += [f"<|{message['role']}|>", _content(message)]
    return [*parts, "<|assistant|>"]


def _content(message: dict[str, Any]) -> str:
    content = message.get("content")
    if isinstance(content, list):
        content = "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    calls = message.get("tool_calls")
    return f"{content or ''}{calls or ''}"
