"""What a request of any API asks of the engine, and the tokens of its answer."""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from concur_proxy.lab.engine.request import EngineRequest
from concur_proxy.lab.server import tokenizer
from concur_proxy.lab.server.options import EmulatorOptions
from concur_proxy.lab.server.tools import Tool, ToolCall, ToolChoice, choose_call

Event = tuple[str, Mapping[str, Any]]
"""An event of a stream: its name, which is empty in chat, and its data."""


class BadRequest(Exception):  # noqa: N818 - named after the HTTP status
    """A request that a real engine would refuse."""

    def __init__(self, message: str, *, status: int = 400) -> None:
        super().__init__(message)
        self.status = status

    def body(self) -> dict[str, Any]:
        """The error as vLLM writes it."""
        kind = "NotFoundError" if self.status == 404 else "BadRequestError"
        return {"error": {"message": str(self), "type": kind, "param": None, "code": self.status}}


@dataclass(slots=True)
class History:
    """A conversation as a chat template writes it."""

    parts: list[str] = field(default_factory=list)
    answers: int = 0
    """How many of the messages are answers."""
    tools: Sequence[Tool] = ()

    def copy(self) -> "History":
        """A copy that can be continued."""
        return History(list(self.parts), self.answers, self.tools)

    def add(self, role: str, text: str) -> None:
        """Add a message."""
        self.parts += [f"<|{role}|>", text]
        self.answers += role == "assistant"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a request asks, in any API."""

    body: Mapping[str, Any]
    """The request."""
    history: History
    max_tokens: int | None
    is_exact: bool = False
    """Whether the answer has exactly `max_tokens` tokens, and not at most."""
    choice: ToolChoice


@dataclass(slots=True, kw_only=True)
class Generation:
    """One answer in progress."""

    request: EngineRequest
    text: str
    """The answer: its text, or the call as the model writes it."""
    call: ToolCall | None
    model: str
    is_stream: bool
    is_cut: bool
    """Whether the answer ends because of the request's limit."""
    tells_cached: bool
    """Whether the usage reports cached tokens."""
    history: History
    """The conversation, with this answer."""

    @property
    def cached_tokens(self) -> int:
        """Prompt tokens that were in the cache."""
        return (self.request.cached_tokens or 0) if self.tells_cached else 0

    def piece(self, start: int, end: int) -> str:
        """The part of the text, or of the call's arguments, in the answer's tokens from `start` to `end`."""
        begin = max(start * tokenizer.TOKEN_BYTES, 0 if self.call is None else len(self.call.name))
        return self.text[begin : end * tokenizer.TOKEN_BYTES]


class Answer(Protocol):
    """An answer in the words of one API."""

    @property
    def id(self) -> str: ...
    @property
    def generation(self) -> Generation: ...

    def answer(self) -> dict[str, Any]:
        """The complete answer, for a request without streaming."""
        ...

    def opening(self) -> Sequence[Event]:
        """The events before the prompt is computed."""
        ...

    def events(self, start: int, end: int) -> Sequence[Event]:
        """The events with the answer's tokens from `start` to `end`."""
        ...

    def closing(self) -> Sequence[Event]:
        """The events after the last token."""
        ...


def generate(asked: Asked, options: EmulatorOptions) -> Generation:
    """Write the answer. Raises `BadRequest` if a real engine would refuse the request."""
    model = asked.body.get("model") or options.model
    if model != options.model and not options.any_model:
        raise BadRequest(f"The model `{model}` does not exist.", status=404)
    history = asked.history.copy()
    tools = "".join(f"{tool.name}{tool.schema}" for tool in history.tools)
    prompt = tokenizer.encode([tools, *history.parts, "<|assistant|>"])
    text, call, is_cut = _written(asked, options, zlib.crc32(prompt))
    encoded = tokenizer.encode([text])
    prompt_tokens, output_tokens = len(prompt) // tokenizer.TOKEN_BYTES, len(encoded) // tokenizer.TOKEN_BYTES
    if not options.shape.fits(prompt_tokens + output_tokens):
        raise BadRequest(
            f"This model's maximum context length is {options.capacity_tokens} tokens. However, you requested "
            f"{output_tokens} output tokens and your prompt contains {prompt_tokens} input tokens."
        )
    history.add("assistant", text)
    keys = tokenizer.block_keys(prompt + encoded, options.block_tokens)
    return Generation(
        request=EngineRequest(keys=keys, prompt_tokens=prompt_tokens, output_tokens=output_tokens),
        text=text,
        call=call,
        model=str(model),
        is_stream=asked.body.get("stream") is True,
        is_cut=is_cut,
        tells_cached=options.cached_tokens,
        history=history,
    )


def count_tokens(history: History) -> int:
    """How many tokens the prompt of this conversation has."""
    tools = "".join(f"{tool.name}{tool.schema}" for tool in history.tools)
    return len(tokenizer.encode([tools, *history.parts, "<|assistant|>"])) // tokenizer.TOKEN_BYTES


def _written(asked: Asked, options: EmulatorOptions, seed: int) -> tuple[str, ToolCall | None, bool]:
    """The answer's text, its call, and whether the text was cut."""
    limit, history = asked.max_tokens, asked.history
    call = choose_call(history.tools, asked.choice, turn=history.answers, tool_turns=options.tool_turns)
    if call is not None:
        text = call.name + call.arguments
        if limit is None or len(text) <= limit * tokenizer.TOKEN_BYTES:
            return text, call, False
    wanted = options.answer_tokens if limit is None else limit if asked.is_exact else min(limit, options.answer_tokens)
    return tokenizer.answer(wanted, seed=seed), None, limit is not None and wanted == limit


def read_limit(value: object) -> int | None:
    """A limit of answer tokens. Raises `BadRequest` if it is not a positive whole number."""
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
        raise BadRequest(f"max_tokens must be at least 1, got {value}.")
    return value


def text_of(content: object) -> str:
    """The text of a message's content: a text, or a list of parts of which some have one."""
    if not isinstance(content, list):
        return "" if content is None else str(content)
    return "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
