"""Captured requests (`clients.json`) as bodies whose texts are made up from the digests."""

from typing import Any

from tests.recognition.gateway import Request

Captured = dict[str, Any]
CREDENTIAL = {"authorization": "Bearer captured"}
AGENT_HEADERS = ("x-claude-code-agent-id", "thread-id", "x-session-id")
SEPARATE_ITEMS = ("function_call", "function_call_output")


def requests_of(runs: list[Captured]) -> list[Captured]:
    """Each request of a capture by itself."""
    return [run for run in runs for _ in range(run["times"])]


def agent_of(captured: Captured) -> str:
    """The agent that sent a request, by its headers, and by tools and system prompt."""
    names = [captured["headers"].get(name, "") for name in AGENT_HEADERS]
    prompt = captured["prompt"]
    return " ".join((*names, prompt.get("tools") or "", str(prompt.get("system")), messages_of(captured)[0][2]))


def messages_of(captured: Captured) -> list[list[Any]]:
    """The messages or items of a request: role, size, digest."""
    prompt = captured["prompt"]
    messages: list[list[Any]] = prompt.get("messages") or prompt["input"]
    return messages


def body_of(captured: Captured, last: Captured, *, with_names: bool = True) -> dict[str, Any]:
    """The body of a request. `last` is the same agent's last request: its messages are those without moving marks.

    Claude Code marks its newest message for the prompt cache, so that its digest changes in the next request.
    """
    prompt = captured["prompt"]
    body: dict[str, Any] = {"model": "m", **(captured["body"] if with_names else {})}
    if "tools" in prompt:
        body["tools"] = [{"type": "function", "name": _text("tool", 200, prompt["tools"])}]
    for name in ("system", "instructions"):
        if name in prompt:
            body[name] = _text(name, 3_000, str(prompt[name]))
    is_claude = captured["path"] == "/v1/messages"
    stable, items = messages_of(last), []
    for number, (role, size, digest) in enumerate(messages_of(captured)):
        text = _text(role, size, stable[number][2] if is_claude else digest)
        item: dict[str, Any] = {"role": role, "content": text}
        if role in SEPARATE_ITEMS:
            item = {"type": role, "call_id": digest, "output": text}
        elif is_claude:
            block: dict[str, Any] = {"type": "text", "text": _text(role, stable[number][1], stable[number][2])}
            if [size, digest] != stable[number][1:] or number == len(stable) - 1:
                block["cache_control"] = {"type": "ephemeral"}
            item["content"] = [block]
        items.append(item)
    body["messages" if "messages" in prompt else "input"] = items
    return body


def request_of(captured: Captured, last: Captured, *, with_names: bool = True) -> Request:
    """A captured request, or the same without any name."""
    headers = {**(captured["headers"] if with_names else {}), **CREDENTIAL}
    return Request(path=captured["path"], headers=headers, body=body_of(captured, last, with_names=with_names))


def _text(kind: str, size: int, digest: str) -> str:
    return (f"{kind} {digest} " * size)[: max(size, 24)]
