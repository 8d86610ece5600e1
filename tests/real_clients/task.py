"""What a client's loop is to do. It is read from the environment, because a loop runs in an environment of its own.

Imports only the standard library.
"""

import os
from dataclasses import dataclass, field
from itertools import count

SYSTEM = "You are a careful engineer. Use the tools. " + "Change as little as you can, and run the tests. " * 20
MODEL = "emulated"


@dataclass(frozen=True, slots=True)
class Task:
    """One agent's task."""

    url: str
    """Where the agent finds the gateway, without `/v1`."""
    prompt: str
    """The first user message."""
    turns: int
    """How many requests the loop makes: all but the last are answered with a tool call."""
    agent: str
    """The agent's name. Only its tools know it: their results differ between agents, as real ones do."""
    _calls: "count[int]" = field(default_factory=lambda: count(1))

    def result(self) -> str:
        """What the next tool call returns."""
        return f"result {next(self._calls)} for {self.agent}: " + "line " * 40


TASK = Task(
    url=os.environ.get("REAL_CLIENTS_URL", ""),
    prompt=os.environ.get("REAL_CLIENTS_PROMPT", ""),
    turns=int(os.environ.get("REAL_CLIENTS_TURNS", "0")),
    agent=os.environ.get("REAL_CLIENTS_AGENT", ""),
)

OPENAI_TOOLS = [
    {
        "type": "function",
        "function": {
            "name": name,
            "description": "A tool.",
            "parameters": {
                "type": "object",
                "properties": {"path": {"type": "string"}},
                "required": ["path"],
            },
        },
    }
    for name in ("read_file", "list_files")
]
"""The tools of loops that describe them themselves, as OpenAI's chat API wants them."""
