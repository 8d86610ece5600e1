"""The kinds of gaps between two turns."""

from enum import Enum


class Gap(Enum):
    """The kinds of gaps. Each has a lease of its own."""

    FIRST = "first"
    """After a session's first answer. Many sessions have no second turn."""
    LATER = "later"
    """After a later answer."""
    SUB_AGENTS = "sub_agents"
    """While an agent waits for its sub-agents: its context is not used, and the session keeps its place for them."""
    AGENT = "agent"
    """Between two turns of an agent while others of its family work."""

    __hash__ = object.__hash__  # Enum's is a function in Python, and each member exists once

    @classmethod
    def after(cls, turns: int) -> "Gap":
        """The gap that follows a session's or an agent's so many answers."""
        return cls.FIRST if turns <= 1 else cls.LATER
