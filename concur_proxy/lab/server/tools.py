"""Tools that a request offers, and the calls with which the emulated engine answers.

The engine has no opinion: it calls the offered tools in turn, with the simplest arguments that their schemas allow.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from concur_proxy.lab.server.example import example

FINISHING = ("final", "finish", "submit", "complete", "attempt_completion", "exit")
"""Tools whose names begin like this end an agent's loop. They are called last."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool that the client offers."""

    name: str
    schema: Mapping[str, Any]
    """The JSON schema of its arguments."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolChoice:
    """What the client says about calling tools."""

    is_forbidden: bool = False
    is_required: bool = False
    name: str = ""
    """The only tool that may be called; empty: any."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call in the engine's answer."""

    id: str
    name: str
    arguments: str
    """JSON."""


def choose_call(tools: Sequence[Tool], choice: ToolChoice, *, turn: int, tool_turns: int) -> ToolCall | None:
    """Return the call of an answer; None if the answer is a text.

    `turn` counts the answers that the conversation already has. `tool_turns` answers with calls are followed by one
    that ends the loop: a text, or a call of the tool that ends it.
    """
    if choice.name:
        tools = [tool for tool in tools if tool.name == choice.name]
    if not tools or choice.is_forbidden:
        return None
    working = [tool for tool in tools if not tool.name.startswith(FINISHING)]
    finishing = [tool for tool in tools if tool.name.startswith(FINISHING)]
    at = turn % (tool_turns + 1)
    if at < tool_turns and working:
        return _call(working[at % len(working)])
    if finishing and tool_turns:
        return _call(finishing[0])
    return _call(tools[0]) if choice.is_required or choice.name else None


def rendered(name: str, arguments: str) -> str:
    """A call as the model sees it in its prompt. Other white space in the JSON makes no difference."""
    try:
        return name + _compact(json.loads(arguments))
    except ValueError:
        return name + arguments


def _call(tool: Tool) -> ToolCall:
    arguments = example(tool.schema, tool.schema)
    return ToolCall(uuid4().hex[:24], tool.name, _compact(arguments if isinstance(arguments, dict) else {}))


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))
