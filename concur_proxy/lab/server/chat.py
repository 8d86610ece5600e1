"""Chat completions: turns a request's JSON into tokens, and tokens into the answer's JSON as vLLM writes it."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from concur_proxy.lab.server.generation import (
    Asked,
    BadRequest,
    Event,
    Generation,
    History,
    generate,
    read_limit,
    text_of,
)
from concur_proxy.lab.server.options import EmulatorOptions
from concur_proxy.lab.server.tools import Tool, ToolChoice, rendered


@dataclass(slots=True, kw_only=True)
class Chat:
    """One chat completion in progress."""

    generation: Generation
    tells_usage: bool
    """Whether a stream ends with a usage event."""
    id: str = field(default_factory=lambda: f"chatcmpl-{uuid4().hex}")
    created: int = field(default_factory=lambda: int(time.time()))

    @property
    def finish_reason(self) -> str:
        """Why the answer ends."""
        return "tool_calls" if self.generation.call else "length" if self.generation.is_cut else "stop"

    def answer(self) -> dict[str, Any]:
        """The complete answer, for a request without streaming."""
        message: dict[str, Any] = {"role": "assistant", "content": self.generation.text}
        call = self.generation.call
        if call is not None:
            function = {"name": call.name, "arguments": call.arguments}
            calls = [{"id": f"chatcmpl-tool-{call.id}", "type": "function", "function": function}]
            message = {"role": "assistant", "content": None, "tool_calls": calls}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": self.finish_reason}
        return {**self._head("chat.completion"), "choices": [choice], "usage": self._usage()}

    def opening(self) -> Sequence[Event]:
        """Nothing: vLLM and SGLang send the first event with the first token."""
        return ()

    def events(self, start: int, end: int) -> Sequence[Event]:
        """The events with the answer's tokens from `start` to `end`. The first event of a stream has no token."""
        ended = self.finish_reason if end == self.generation.request.output_tokens else None
        first = [self._event({"role": "assistant", "content": ""}, None)] if start == 0 else []
        return [*first, self._event(self._delta(start, end), ended)]

    def closing(self) -> Sequence[Event]:
        """The event without choices that a request gets with `include_usage`."""
        usage = {**self._head("chat.completion.chunk"), "choices": [], "usage": self._usage()}
        return [("", usage)] if self.tells_usage else ()

    def _delta(self, start: int, end: int) -> dict[str, Any]:
        piece, call = self.generation.piece(start, end), self.generation.call
        if call is None:
            return {"content": piece}
        change: dict[str, Any] = {"index": 0, "function": {"arguments": piece}}
        if start == 0:
            function = {"name": call.name, "arguments": piece}
            change |= {"id": f"chatcmpl-tool-{call.id}", "type": "function", "function": function}
        return {"tool_calls": [change]}

    def _event(self, delta: dict[str, Any], finish_reason: str | None) -> Event:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return "", {**self._head("chat.completion.chunk"), "choices": [choice]}

    def _head(self, kind: str) -> dict[str, Any]:
        return {"id": self.id, "object": kind, "created": self.created, "model": self.generation.model}

    def _usage(self) -> dict[str, Any]:
        generation, request = self.generation, self.generation.request
        cached = {"cached_tokens": generation.cached_tokens} if generation.tells_cached else None
        counts = {
            "prompt_tokens": request.prompt_tokens,
            "total_tokens": request.prompt_tokens + request.generated,
            "completion_tokens": request.generated,
        }
        return {**counts, "prompt_tokens_details": cached}


def read_chat(body: object, options: EmulatorOptions) -> Chat:
    """Read a request's JSON. Raises `BadRequest` if it is not a valid chat.

    A request without tools gets an answer of exactly `max_tokens`, for load generators.
    """
    if not isinstance(body, dict):
        raise BadRequest("the body must be a JSON object")
    history = _history(body.get("messages"))
    history.tools = _tools(body.get("tools"))
    limit = read_limit(body.get("max_completion_tokens") or body.get("max_tokens"))
    asked = Asked(
        body=body,
        history=history,
        max_tokens=limit,
        is_exact=not history.tools,
        choice=_choice(body.get("tool_choice")),
    )
    stream_options = body.get("stream_options") or {}
    return Chat(
        generation=generate(asked, options),
        tells_usage=isinstance(stream_options, dict) and stream_options.get("include_usage") is True,
    )


def _history(messages: object) -> History:
    """Each message's role and content."""
    if not isinstance(messages, list) or not messages:
        raise BadRequest("messages must be a list of at least one message")
    history = History()
    for message in messages:
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise BadRequest("each message must be an object with a role")
        calls = "".join(_call(call) for call in message.get("tool_calls") or ())
        history.add(message["role"], text_of(message.get("content")) + calls)
    return history


def _call(call: object) -> str:
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict):
        return str(call)
    return rendered(str(function.get("name", "")), str(function.get("arguments", "")))


def _tools(tools: object) -> list[Tool]:
    functions = [tool.get("function") for tool in tools if isinstance(tool, dict)] if isinstance(tools, list) else []
    return [
        Tool(str(function.get("name", "")), function.get("parameters") or {})
        for function in functions
        if isinstance(function, dict)
    ]


def _choice(choice: object) -> ToolChoice:
    if isinstance(choice, dict) and isinstance(choice.get("function"), dict):
        return ToolChoice(name=str(choice["function"].get("name", "")))
    return ToolChoice(is_forbidden=choice == "none", is_required=choice == "required")
