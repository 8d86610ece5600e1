"""What an agent will do, decided before the run: sizes in tokens, times in seconds."""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One step: a request with all that was said before, its answer, and what the agent does until the next."""

    new_tokens: int
    """What the task or the tool adds to the history before the request."""
    answer_tokens: int
    gap_s: float = 0.0
    """The tool call after the answer."""
    side_requests: int = 0
    """Requests of the same session at the same time, as sub-agents make them: each has the history up to here and
    `new_tokens` of its own, and its answer is not kept.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentPlan:
    """An agent's whole run: one session."""

    name: str
    number: int
    """Unique in its scenario: the identity of its tokens."""
    start_s: float
    turns: tuple[Turn, ...]
    shared_tokens: int = 0
    """System prompt that every agent with the same `shared_id` begins with."""
    shared_id: int = 0
    tenant: str = ""
    says_end: bool = False
    """Whether the last request tells that the session ends with it."""

    @property
    def context_tokens(self) -> int:
        """The history after the last answer."""
        return self.shared_tokens + sum(turn.new_tokens + turn.answer_tokens for turn in self.turns)


Arrivals = Iterator[AgentPlan]
"""Plans in the order of their start; made as they are needed, so that a hundred thousand need no memory at once."""
