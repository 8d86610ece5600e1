"""Bodies of requests in the three APIs, from the messages of a recorded session."""

from collections.abc import Sequence
from typing import Any

from tests.recognition.traces import Message, words

MARK = {"type": "ephemeral"}
Body = dict[str, Any]


def tools(head: str, blocks: int) -> list[Body]:
    """The definitions of tools, two thirds of the head."""
    ids = range(2 * blocks // 3)
    return [
        {"name": f"tool{at}", "description": words(head, ids[at : at + 40]), "input_schema": {"type": "object"}}
        for at in range(0, len(ids), 40)
    ]


def system(head: str, blocks: int) -> str:
    """The system prompt, the rest of the head."""
    return words(head, range(2 * blocks // 3, blocks))


def chat(messages: Sequence[Message], head: str, blocks: int, *, reasons_from: int) -> Body:
    """A chat completion. Messages from `reasons_from` on still have their reasoning."""
    functions = [{"type": "function", "function": tool} for tool in tools(head, blocks)]
    items: list[Body] = [{"role": "system", "content": system(head, blocks)}]
    for number, message in enumerate(messages):
        item: Body = {"role": message.role, "content": message.text}
        if message.reasoning and number >= reasons_from:
            item["reasoning_content"] = message.reasoning
        items.append(item)
    return {"model": "m", "stream": True, "tools": functions, "messages": items}


def anthropic(messages: Sequence[Message], head: str, blocks: int, *, reasons_from: int) -> Body:
    """A request of the Messages API. The mark of the prompt cache stands at the last two messages, so it moves."""
    items: list[Body] = []
    for number, message in enumerate(messages):
        content: list[Body] = [{"type": "text", "text": message.text}]
        if message.reasoning and number >= reasons_from:
            content.insert(0, {"type": "thinking", "thinking": message.reasoning, "signature": f"s{number}"})
        if number >= len(messages) - 2:
            content[-1]["cache_control"] = MARK
        items.append({"role": message.role, "content": content})
    texts = [{"type": "text", "text": "You are an agent."}, {"type": "text", "text": system(head, blocks)}]
    texts[-1] = {**texts[-1], "cache_control": MARK}  # type: ignore[dict-item]
    return {"model": "m", "max_tokens": 32_000, "system": texts, "messages": items, "tools": tools(head, blocks)}


def responses(messages: Sequence[Message], head: str, blocks: int, *, reasons_from: int) -> Body:
    """A request of the Responses API with the whole history."""
    items: list[Body] = []
    for number, message in enumerate(messages):
        if message.reasoning and number >= reasons_from:
            items.append({"type": "reasoning", "summary": [], "encrypted_content": message.reasoning})
        kind = "output_text" if message.role == "assistant" else "input_text"
        items.append({"type": "message", "role": message.role, "content": [{"type": kind, "text": message.text}]})
    functions = [{"type": "function", **tool} for tool in tools(head, blocks)]
    return {"model": "m", "store": False, "instructions": system(head, blocks), "input": items, "tools": functions}


API = {"/v1/chat/completions": chat, "/v1/messages": anthropic, "/v1/responses": responses}
