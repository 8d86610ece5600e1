"""Anthropic's Messages API: turns a request's JSON into tokens, and tokens into the answer's JSON.

Threads are known too: a request with `thread` continues a message that the engine keeps.
"""

import json
from collections.abc import Mapping, Sequence
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
from concur_proxy.lab.server.stored import StoredAnswers
from concur_proxy.lab.server.tools import Tool, ToolChoice, rendered


@dataclass(slots=True, kw_only=True)
class Message:
    """One message in progress."""

    generation: Generation
    id: str = field(default_factory=lambda: f"msg_{uuid4().hex[:24]}")

    @property
    def stop_reason(self) -> str:
        """Why the answer ends."""
        return "tool_use" if self.generation.call else "max_tokens" if self.generation.is_cut else "end_turn"

    def answer(self) -> dict[str, Any]:
        """The complete message, for a request without streaming."""
        call = self.generation.call
        block = self._block(self.generation.text) if call is None else self._block(json.loads(call.arguments))
        message = self._message([block], self.generation.request.generated)
        return {**message, "stop_reason": self.stop_reason}

    def opening(self) -> Sequence[Event]:
        """Nothing: the first event reports the cached tokens, which are not known before the first token."""
        return ()

    def events(self, start: int, end: int) -> Sequence[Event]:
        """The events with the answer's tokens from `start` to `end`."""
        first: list[Event] = []
        if start == 0:
            block = self._block("" if self.generation.call is None else {})
            first = [
                _event("message_start", message=self._message([], 0)),
                _event("content_block_start", index=0, content_block=block),
            ]
        piece = self.generation.piece(start, end)
        delta = {"type": "text_delta", "text": piece}
        if self.generation.call is not None:
            delta = {"type": "input_json_delta", "partial_json": piece}
        return [*first, _event("content_block_delta", index=0, delta=delta)]

    def closing(self) -> Sequence[Event]:
        """The end of the block and of the message."""
        delta = {"stop_reason": self.stop_reason, "stop_sequence": None}
        usage = {"output_tokens": self.generation.request.generated}
        return [
            _event("content_block_stop", index=0),
            _event("message_delta", delta=delta, usage=usage),
            _event("message_stop"),
        ]

    def _block(self, content: object) -> dict[str, Any]:
        call = self.generation.call
        if call is None:
            return {"type": "text", "text": content}
        return {"type": "tool_use", "id": f"toolu_{call.id}", "name": call.name, "input": content}

    def _message(self, content: list[dict[str, Any]], output_tokens: int) -> dict[str, Any]:
        generation, cached = self.generation, self.generation.cached_tokens
        usage: dict[str, int] = {"input_tokens": generation.request.prompt_tokens - cached}
        if generation.tells_cached:
            usage |= {"cache_creation_input_tokens": 0, "cache_read_input_tokens": cached}
        return {
            "id": self.id,
            "type": "message",
            "role": "assistant",
            "model": generation.model,
            "content": content,
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {**usage, "output_tokens": output_tokens},
        }


def read_message(body: object, options: EmulatorOptions, stored: StoredAnswers) -> Message:
    """Read a request's JSON. Raises `BadRequest` if it is not a valid message request."""
    history = read_prompt(body, stored)
    if not isinstance(body, dict) or body.get("max_tokens") is None:
        raise BadRequest("max_tokens: Field required")
    limit = read_limit(body["max_tokens"])
    asked = Asked(body=body, history=history, max_tokens=limit, choice=_choice(body.get("tool_choice")))
    message = Message(generation=generate(asked, options))
    if isinstance(body.get("thread"), dict):
        stored.keep(message.id, message.generation.history)
    return message


def read_prompt(body: object, stored: StoredAnswers) -> History:
    """The conversation in a request's JSON, also in one that only counts tokens. Raises `BadRequest`."""
    if not isinstance(body, dict):
        raise BadRequest("the body must be a JSON object")
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise BadRequest("messages: at least one message is required")
    history = _begun(body, stored)
    for message in messages:
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise BadRequest("each message must be an object with a role")
        history.add(message["role"], _content(message.get("content")))
    return history


def error_body(error: BadRequest) -> dict[str, Any]:
    """The error as Anthropic writes it."""
    kind = "not_found_error" if error.status == 404 else "invalid_request_error"
    return {"type": "error", "error": {"type": kind, "message": str(error)}}


def _begun(body: Mapping[str, Any], stored: StoredAnswers) -> History:
    """The conversation before the messages of this request. A thread keeps its system prompt and its tools."""
    thread = body.get("thread")
    previous = thread.get("previous_message_id") if isinstance(thread, dict) else None
    history = History()
    if previous is not None:
        found = stored.history(previous)
        if found is None:
            raise BadRequest(f"no thread has the message {previous}", status=404)
        history = found
    elif body.get("system"):
        history.add("system", text_of(body["system"]))
    if isinstance(body.get("tools"), list):
        history.tools = [
            Tool(str(tool.get("name", "")), tool["input_schema"])
            for tool in body["tools"]
            if isinstance(tool, dict) and isinstance(tool.get("input_schema"), dict)
        ]
    return history


def _content(content: object) -> str:
    if not isinstance(content, list):
        return text_of(content)
    return "".join(_block_text(block) for block in content if isinstance(block, dict))


def _block_text(block: Mapping[str, Any]) -> str:
    match block.get("type"):
        case "tool_use":
            return rendered(str(block.get("name", "")), json.dumps(block.get("input", {})))
        case "tool_result":
            return _content(block.get("content"))
    return str(block.get("text", ""))


def _choice(choice: object) -> ToolChoice:
    if not isinstance(choice, dict):
        return ToolChoice()
    kind = choice.get("type")
    name = str(choice.get("name", "")) if kind == "tool" else ""
    return ToolChoice(is_forbidden=kind == "none", is_required=kind == "any", name=name)


def _event(kind: str, **data: object) -> Event:
    return kind, {"type": kind, **data}
