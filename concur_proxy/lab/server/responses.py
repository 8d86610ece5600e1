"""OpenAI's Responses API: turns a request's JSON into tokens, and tokens into the answer's JSON."""

import time
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

ECHOED: Mapping[str, Any] = {
    "instructions": None,
    "max_output_tokens": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "reasoning": {"effort": None, "summary": None},
    "store": True,
    "temperature": 1.0,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_p": 1.0,
    "truncation": "disabled",
}
"""Fields that a response repeats from its request, and their defaults."""


@dataclass(slots=True, kw_only=True)
class Response:
    """One response in progress."""

    generation: Generation
    echoed: Mapping[str, Any]
    id: str = field(default_factory=lambda: f"resp_{uuid4().hex}")
    created: int = field(default_factory=lambda: int(time.time()))
    _item_id: str = field(default_factory=lambda: uuid4().hex)
    _sent: int = 0
    """How many events were made: each one has a number."""

    def answer(self) -> dict[str, Any]:
        """The complete response."""
        request, cut = self.generation.request, self.generation.is_cut
        usage: dict[str, Any] = {
            "input_tokens": request.prompt_tokens,
            "input_tokens_details": {"cached_tokens": self.generation.cached_tokens},
            "output_tokens": request.generated,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": request.prompt_tokens + request.generated,
        }
        ended = {
            "status": "incomplete" if cut else "completed",
            "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
            "output": [self._item(self._content(), "incomplete" if cut else "completed")],
        }
        return {**self._response(), **ended, "usage": usage}

    def opening(self) -> Sequence[Event]:
        """The response begins before its prompt is computed."""
        names = ("response.created", "response.in_progress")
        return [self._event(name, response=self._response()) for name in names]

    def events(self, start: int, end: int) -> Sequence[Event]:
        """The events with the answer's tokens from `start` to `end`."""
        events = self._item_begins() if start == 0 else []
        piece = self.generation.piece(start, end)
        if self.generation.call is None:
            events.append(self._text_event("response.output_text.delta", delta=piece, logprobs=[]))
        else:
            events.append(self._item_event("response.function_call_arguments.delta", delta=piece))
        return events

    def closing(self) -> Sequence[Event]:
        """The end of the item and of the response."""
        answer, call = self.answer(), self.generation.call
        item = answer["output"][0]
        if call is None:
            text = self.generation.text
            events = [
                self._text_event("response.output_text.done", text=text, logprobs=[]),
                self._text_event("response.content_part.done", part=_text_part(text)),
            ]
        else:
            done = {"name": call.name, "arguments": call.arguments}
            events = [self._item_event("response.function_call_arguments.done", **done)]
        events.append(self._event("response.output_item.done", output_index=0, item=item))
        return [*events, self._event(f"response.{answer['status']}", response=answer)]

    def _item_begins(self) -> list[Event]:
        item = self._item([] if self.generation.call is None else "", "in_progress")
        events = [self._event("response.output_item.added", output_index=0, item=item)]
        if self.generation.call is None:
            events.append(self._text_event("response.content_part.added", part=_text_part("")))
        return events

    def _content(self) -> object:
        call = self.generation.call
        return [_text_part(self.generation.text)] if call is None else call.arguments

    def _item(self, content: object, status: str) -> dict[str, Any]:
        call = self.generation.call
        if call is None:
            item = {"id": f"msg_{self._item_id}", "type": "message", "role": "assistant"}
            return {**item, "status": status, "content": content}
        item = {"id": f"fc_{self._item_id}", "type": "function_call", "call_id": f"call_{call.id}", "name": call.name}
        return {**item, "status": status, "arguments": content}

    def _response(self) -> dict[str, Any]:
        return {
            **self.echoed,
            "id": self.id,
            "object": "response",
            "created_at": self.created,
            "model": self.generation.model,
            "status": "in_progress",
            "error": None,
            "incomplete_details": None,
            "output": [],
            "usage": None,
        }

    def _text_event(self, kind: str, **data: object) -> Event:
        return self._item_event(kind, content_index=0, **data)

    def _item_event(self, kind: str, **data: object) -> Event:
        prefix = "msg" if self.generation.call is None else "fc"
        return self._event(kind, item_id=f"{prefix}_{self._item_id}", output_index=0, **data)

    def _event(self, kind: str, **data: object) -> Event:
        self._sent += 1
        return kind, {"type": kind, "sequence_number": self._sent - 1, **data}


def read_response(body: object, options: EmulatorOptions, stored: StoredAnswers) -> Response:
    """Read a request's JSON. Raises `BadRequest` if it is not a valid request for a response."""
    if not isinstance(body, dict):
        raise BadRequest("the body must be a JSON object")
    history = _history(body, stored)
    limit = read_limit(body.get("max_output_tokens"))
    asked = Asked(body=body, history=history, max_tokens=limit, choice=_choice(body.get("tool_choice")))
    echoed = {name: default if body.get(name) is None else body[name] for name, default in ECHOED.items()}
    response = Response(generation=generate(asked, options), echoed=echoed)
    if echoed["store"] is not False:
        stored.keep(response.id, response.generation.history)
    return response


def _history(body: Mapping[str, Any], stored: StoredAnswers) -> History:
    previous, history = body.get("previous_response_id"), History()
    if previous is not None:
        found = stored.history(previous)
        if found is None:
            raise BadRequest(f"Response with id '{previous}' not found.", status=404)
        history = found
    if body.get("instructions"):
        history.add("system", text_of(body["instructions"]))
    history.tools = [
        Tool(str(tool.get("name", "")), tool.get("parameters") or {})
        for tool in body.get("tools") or ()
        if isinstance(tool, dict) and tool.get("type") == "function"
    ]
    asked = body.get("input")
    if not asked:
        raise BadRequest("input must be a text or a list of at least one item")
    for item in asked if isinstance(asked, list) else [{"role": "user", "content": asked}]:
        _add(history, item)
    return history


def _add(history: History, item: object) -> None:
    """Add an item of the input. Items without text, such as encrypted reasoning, add nothing."""
    if not isinstance(item, dict):
        raise BadRequest("each item of the input must be an object")
    match item.get("type", "message"):
        case "message":
            history.add(str(item.get("role", "user")), text_of(item.get("content")))
        case "function_call":
            history.add("assistant", rendered(str(item.get("name", "")), str(item.get("arguments", ""))))
        case "function_call_output":
            history.add("tool", text_of(item.get("output")))


def _choice(choice: object) -> ToolChoice:
    name = str(choice.get("name", "")) if isinstance(choice, dict) and choice.get("type") == "function" else ""
    return ToolChoice(is_forbidden=choice == "none", is_required=choice == "required", name=name)


def _text_part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
