"""Recorded sessions (`data/README.md`) as lists of messages. Their text is made up from the ids of the blocks, so that
prompts share text exactly where the recorded prompts shared blocks.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

DATA = Path(__file__).with_name("data") / "claude-code-traces.jsonl"
BLOCK_TOKENS = 64
BLOCK_BYTES = 96
"""Size of a block's text. Real text is three times as long."""
LEAST_REASONING = 3
"""An answer of so many blocks begins with reasoning, which is a third of the answer."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a prompt."""

    role: str
    text: str
    reasoning: str = ""

    def edited(self, mark: str) -> "Message":
        """The same message with another text."""
        return replace(self, text=f"{self.text} {mark}")


@dataclass(frozen=True, slots=True)
class Turn:
    """One request of an agent."""

    at: float
    messages: tuple[Message, ...]
    prompt_tokens: int
    answer_tokens: int
    blocks: tuple[int, ...]
    """The ids of all blocks of the prompt, tools and system prompt included."""


@dataclass(frozen=True, slots=True)
class Agent:
    """The requests of one agent, and the sub-agents that it starts before its requests of these numbers."""

    head_blocks: int
    turns: tuple[Turn, ...]
    children: tuple[tuple[int, "Agent"], ...] = ()


@cache
def recorded() -> tuple[dict[str, Any], ...]:
    """The rows of the file."""
    return tuple(json.loads(line) for line in DATA.read_text().splitlines())


def session(number: int, salt: str, *, most_turns: int = 10_000) -> Agent:
    """The main agent of the session of this number. Another `salt` gives the same session with other texts."""
    row = recorded()[number]
    turns = _turns(row["requests"][:most_turns], row["head"], salt)
    children = []
    for at, head, requests in row["agents"]:
        before = sum(turn.at <= at for turn in turns)
        if before < len(turns) or most_turns >= len(row["requests"]):
            children.append((before, Agent(-(-head // BLOCK_TOKENS), _turns(requests[:most_turns], head, salt))))
    return Agent(-(-row["head"] // BLOCK_TOKENS), turns, tuple(children))


def twin(agent: Agent, mark: str) -> Agent:
    """An agent with the same first prompt, and other texts after it."""
    common = len(agent.turns[0].messages)
    turns = tuple(
        replace(
            turn, messages=turn.messages[:common] + tuple(message.edited(mark) for message in turn.messages[common:])
        )
        for turn in agent.turns
    )
    return replace(agent, turns=turns)


def words(salt: str, ids: Sequence[int]) -> str:
    """The text of blocks: the same size for each."""
    return " ".join(f"{salt}-{each}-{each * 2654435761 % 1000003:06d}".ljust(BLOCK_BYTES - 1, ".") for each in ids)


def _turns(rows: Sequence[Sequence[Any]], head_tokens: int, salt: str) -> tuple[Turn, ...]:
    head = -(-head_tokens // BLOCK_TOKENS)
    turns: list[Turn] = []
    ends: list[int] = []
    messages: list[Message] = []
    blocks: list[int] = []
    answer = 0
    for at, prompt_tokens, answer_tokens, kept, runs in rows:
        extends = kept >= len(blocks) - 1  # the last block of a prompt is not full
        start = max(head, len(blocks) if extends else kept)
        blocks = blocks[:kept] + [
            first + i for first, count in zip(runs[::2], runs[1::2], strict=True) for i in range(count)
        ]
        while ends and ends[-1] > start:
            ends.pop()
            messages.pop()
        start = ends[-1] if ends else head
        new = blocks[start:]
        if extends and answer and len(new) > 1:
            said = min(-(-answer // BLOCK_TOKENS), len(new) - 1)
            thought = said // 3 if said >= LEAST_REASONING else 0
            text = words(salt, new[thought:said])
            messages.append(Message("assistant", text, words(salt, new[:thought])))
            ends.append(start + said)
            new = new[said:]
        if new:
            messages.append(Message("user", words(salt, new)))
            ends.append(len(blocks))
        answer = answer_tokens
        turns.append(Turn(at, tuple(messages), prompt_tokens, answer_tokens, tuple(blocks)))
    return tuple(turns)
