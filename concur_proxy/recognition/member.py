"""A conversation as the conversation tree and the gates know it."""

from typing import TYPE_CHECKING

from concur_proxy.recognition.rows import Link

if TYPE_CHECKING:
    from concur_proxy.recognition.node import Node


class Member(Link):
    """One conversation: an agent of a session, with its newest prompt and the cache that it needs."""

    __slots__ = (
        "busy",
        "cache",
        "common_tokens",
        "completion_tokens",
        "context_tokens",
        "first_segments",
        "footprint",
        "gap",
        "groups",
        "head",
        "inputs",
        "is_beyond",
        "is_declared",
        "is_done",
        "is_known",
        "is_live",
        "leaf",
        "length",
        "name",
        "parent",
        "prompt_tokens",
        "round_tokens",
        "session",
        "turn_gap",
        "turns",
    )

    def __init__(self, session: str, name: str, parent: str = "", *, is_declared: bool = True) -> None:
        self.session = session
        """The name of its session."""
        self.name = name
        """Its name within the session. Empty: the main agent."""
        self.parent = parent
        """The member that started it."""
        self.is_declared = is_declared
        """Whether the client named it. Otherwise the tree has distinguished it by its content."""
        self.is_known = False
        """Whether the tree counts it among its conversations."""
        self.leaf: Node | None = None
        """The end of its newest prompt; None if no prompt could be read."""
        self.length = 0
        """Number of segments of its newest prompt."""
        self.head = 0
        """How many of these are tools and system prompt."""
        self.first_segments = 0
        """Number of segments of its first prompt."""
        self.inputs = b""
        """The last one of its newest prompt, see `Chain.inputs`. Empty: not known."""
        self.groups: tuple[str, ...] = ()
        """The groups in which it is charged."""
        self.busy = 0
        """Its requests that wait or are in flight."""
        self.is_done = False
        """Whether its last request was answered completely. A prompt that is repeated after that starts something new,
        and before that it is a retry.
        """
        self.is_live = False
        """Whether its cache is still needed, so that its footprint counts."""
        self.footprint = 0.0
        """Tokens of KV cache that it needs."""
        self.is_beyond = False
        """Whether its newest prompt is probably longer than the engine accepts. Its footprint does not contain it."""
        self.prompt_tokens: int | None = None
        """Tokens of its last answered prompt, as the engine counted them."""
        self.completion_tokens = 0
        """Tokens of that answer."""
        self.common_tokens = 0
        """Tokens of its newest prompt that its earlier turns had sent or received."""
        self.context_tokens: int | None = None
        """Tokens of its last prompt and answer, as the engine counted them."""
        self.round_tokens = 0
        """The largest context among its requests that were at the engine together."""
        self.cache: int | None = None
        """The generation of the engine's cache that holds this context."""
        self.turns = 0
        """Answers so far."""
        self.gap: int | None = None
        """The lease's number for its present wait for its sub-agents."""
        self.turn_gap: int | None = None
        """The lease's number for its present time between two turns while others of its session work."""
