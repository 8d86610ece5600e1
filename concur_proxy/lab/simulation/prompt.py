"""An agent's prompt as the gateway's conversation tree sees it: a chain of hashes and sizes that grows turn by turn."""

from hashlib import blake2b

from concur_proxy.lab.simulation.content import Content
from concur_proxy.lab.simulation.plan import AgentPlan
from concur_proxy.recognition.chain import HASH_BYTES, SIZE_BYTES, Chain

BYTES_PER_TOKEN = 4
"""Size of a request's text per token of its prompt."""


class Prompt:
    """The segments so far: the shared prompt, then for each turn what is new in it, and its answer."""

    __slots__ = ("_chain", "_number")

    def __init__(self, plan: AgentPlan) -> None:
        """Begin with the shared prompt, which is equal for all agents with the same `shared_id`."""
        self._number = plan.number
        self._chain = Chain(hashes=b"", sizes=b"")
        if plan.shared_tokens:
            shared = _digest(b"shared", plan.shared_id)
            self._chain = Chain(hashes=shared, sizes=_size(plan.shared_tokens), head=1)

    def add(self, tokens: int) -> None:
        """Add one segment: a message of the agent, or an answer."""
        self._chain = self.extended(tokens)

    def extended(self, tokens: int, *, side: int = 0) -> Chain:
        """The prompt with one more segment, which is another one for each side request."""
        chain = self._chain
        # Another agent's segment differs from this agent's, even where both follow the same shared prompt.
        following = _digest(chain.hashes[-HASH_BYTES:], self._number, len(chain), side)
        return Chain(hashes=chain.hashes + following, sizes=chain.sizes + _size(tokens), head=chain.head)


class RecordedPrompt:
    """The segments of a prompt whose content was recorded: equal content gives equal hashes in all sessions."""

    __slots__ = ("chain",)

    def __init__(self) -> None:
        self.chain = Chain(hashes=b"", sizes=b"")

    def cut(self, segments: int) -> None:
        """Keep only the first `segments`."""
        chain = self.chain
        self.chain = Chain(
            hashes=chain.hashes[: segments * HASH_BYTES],
            sizes=chain.sizes[: segments * SIZE_BYTES],
            head=min(chain.head, segments),
        )

    def add(self, content: Content, begin: int, end: int, *, is_head: bool) -> None:
        """Add the segment between two positions in tokens. `is_head`: it is tools and system prompt."""
        chain, block = self.chain, content.block_tokens
        own = blake2b(content.ids[begin // block : end // block].tobytes(), digest_size=HASH_BYTES).digest()
        following = _digest(chain.hashes[-HASH_BYTES:] + own, end - begin)
        head = chain.head + 1 if is_head else chain.head
        self.chain = Chain(hashes=chain.hashes + following, sizes=chain.sizes + _size(end - begin), head=head)


def _digest(before: bytes, *content: int) -> bytes:
    return blake2b(b"%b %b" % (before, repr(content).encode()), digest_size=HASH_BYTES).digest()


def _size(tokens: int) -> bytes:
    return (tokens * BYTES_PER_TOKEN).to_bytes(SIZE_BYTES, "little")
