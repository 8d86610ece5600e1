"""What an agent will do, decided before the run. Sizes are in tokens, times in seconds."""

import enum
from collections.abc import Iterator
from dataclasses import dataclass

from concur_proxy.lab.engine.prefix_cache import BlockKeys
from concur_proxy.lab.simulation.content import Content

_AGENT_BLOCKS = 1 << 24
"""More blocks than a session can have, so that keys of different sessions are different."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One turn: a request with the whole history, its answer, and the tool call after it."""

    new_tokens: int
    """What the task or the last tool call adds to the history."""
    answer_tokens: int
    dropped_tokens: int = 0
    """The part of the answer that the client leaves out of the history, such as its reasoning."""
    gap_s: float = 0.0
    """Length of the tool call after the answer."""
    side_requests: int = 0
    """Further requests of the session at the same time, such as those of sub-agents. Each has the history so far and
    `new_tokens` of its own. Their answers do not become part of the history.
    """
    children: tuple["AgentPlan", ...] = ()
    """Sub-agents that the answer starts. They work at the same time, and the next turn waits for all of them."""
    content: Content | None = None
    """Prompt and answer as they were recorded. The prompt is then this one, whatever the history is. Either all turns
    of an agent have it or none.
    """


class Kinship(enum.Enum):
    """How a client tells the gateway whose sub-agent it is."""

    MEMBER = "member"
    """The family has one key, and each sub-agent an id in it, as in Claude Code and Codex."""
    PARENT_KEY = "parent_key"
    """Each sub-agent has a key of its own and names its parent's key, as in opencode."""
    UNDECLARED = "undeclared"
    """Each sub-agent has a key of its own, and no request says whose it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentPlan:
    """The whole run of an agent, which is one session, or of a sub-agent, which belongs to its parent's session."""

    name: str
    number: int
    """Unique in its scenario. Agents with different numbers have different tokens."""
    start_s: float
    """When it starts. For a sub-agent: how long after the answer that starts it."""
    turns: tuple[Turn, ...]
    shared_tokens: int = 0
    """System prompt, the same for all agents with the same `shared_id`."""
    shared_id: int = 0
    tenant: str = ""
    weight: float = 1.0
    priority: int = 0
    has_name: bool = True
    """Whether its requests name its session. Otherwise the gateway can only recognise it by its prompt."""
    says_end: bool = False
    """Whether the agent reports the end of its session."""
    family: str = ""
    """For a sub-agent: the name of the agent at the root of its family."""
    parent: str = ""
    """For a sub-agent: the name of the agent that starts it."""
    kinship: Kinship = Kinship.MEMBER
    """For a sub-agent: how its requests name its family."""

    @property
    def is_member(self) -> bool:
        """Whether it is a sub-agent whose requests have the family's key."""
        return bool(self.parent) and self.kinship is Kinship.MEMBER

    @property
    def context_tokens(self) -> int:
        """Tokens of the history after the last answer."""
        last = self.turns[-1]
        if last.content is not None:
            return last.content.prompt_tokens + last.answer_tokens
        dropped = sum(turn.dropped_tokens for turn in self.turns[:-1])
        return self.shared_tokens + sum(turn.new_tokens + turn.answer_tokens for turn in self.turns) - dropped


Arrivals = Iterator[AgentPlan]
"""Plans in the order of their start. They are made when needed, because a hundred thousand would need much memory."""


def block_keys(plan: AgentPlan, tokens: int, block_tokens: int, *, side: int = 0, side_from: int = 0) -> BlockKeys:
    """The keys of the full blocks of the session's first `tokens` tokens. Blocks with equal content have equal keys.

    Blocks that lie entirely in the shared prompt are the same for all agents that share it. For side request number
    `side` (from 1), everything after the first `side_from` tokens is its own.
    """
    blocks = tokens // block_tokens
    shared = min(plan.shared_tokens // block_tokens, blocks)
    own = first_own_block(plan)
    keys = (*shared_blocks(plan, shared), *range(own + shared, own + blocks))
    if side:
        kept = min(max(side_from // block_tokens, shared), blocks)
        other = own + side * _AGENT_BLOCKS
        keys = (*keys[:kept], *range(other + kept, other + blocks))
    return keys


def shared_blocks(plan: AgentPlan, blocks: int) -> range:
    """The keys of the first blocks of the shared prompt, which are the same for all agents that share it."""
    first = -1 - plan.shared_id * _AGENT_BLOCKS
    return range(first, first - blocks, -1)


def first_own_block(plan: AgentPlan) -> int:
    """The first key that only this agent's content has. All larger keys up to another agent's first are its own too."""
    return (plan.number << 32) + _AGENT_BLOCKS
