"""The questions that the conversation tree answers, see `ConversationTree`."""

from collections.abc import Iterator

from concur_proxy.recognition.chain import HASH_BYTES, Chain
from concur_proxy.recognition.member import Member
from concur_proxy.recognition.node import Match, Node, common, upwards
from concur_proxy.recognition.unions import Unions

MOST_OF_A_NODE = 64
"""Conversations with one and the same newest prompt of which `ending_within` offers the next."""

MEMBER_BYTES = 1_800
"""Memory of a conversation and its session without the nodes, about."""
NODE_BYTES = 600
"""Memory of a node without its segments, about."""


class TreeView:
    """Looks up conversations, and what they have in common with a chain or with each other."""

    def __init__(self) -> None:
        self.unions = Unions()
        self.conversations = 0
        """Number of known conversations."""
        self._root = Node(None, Chain(b"", b""), 0, 0.0)
        self._nodes: dict[bytes, Node] = {}
        """All nodes but the root, by their first hash."""
        self._last_chain: Chain | None = None
        self._last_match = Match(self._root, 0, 0)
        """The result of the last search, until the tree changes. A request's chain is searched several times."""
        self._run_bytes = 0
        """Memory of the segments and media items of all nodes."""

    @property
    def held_bytes(self) -> int:
        """Memory of all known conversations and their sessions, about."""
        return self.conversations * MEMBER_BYTES + len(self._nodes) * NODE_BYTES + self._run_bytes

    def match(self, chain: Chain) -> Match:
        """Find the longest known prefix of a chain."""
        if chain is self._last_chain:
            return self._last_match
        hashes, node, at = chain.hashes, self._root, 0
        inside = 0
        while (child := self._nodes.get(hashes[at : at + HASH_BYTES])) is not None:
            node = child
            if hashes.startswith(node.hashes, at):
                inside = len(node.hashes)
                at += inside
                continue
            inside = HASH_BYTES * common(node.hashes, hashes, at // HASH_BYTES)
            at += inside
            break
        self._last_chain, self._last_match = chain, Match(node, inside // HASH_BYTES, at // HASH_BYTES)
        return self._last_match

    def ending_within(self, match: Match) -> Iterator[Member]:
        """The conversations whose newest prompt is a prefix of the matched segments, the longest first. If many have
        one and the same newest prompt, these are `MOST_OF_A_NODE` of them. Those that the caller passes over come last
        next time.
        """
        for node in upwards(match.last):
            last = node.members.last
            for _ in range(MOST_OF_A_NODE):
                member = node.members.first
                if member is None:
                    break
                yield member
                node.members.remove(member)
                node.members.add(member)
                if member is last:
                    break

    def sharing(self, match: Match, *, limit: int) -> list[Member]:
        """The conversations that go on after the matched segments or end there, at most `limit`."""
        found: list[Member] = []
        nodes: list[Iterator[Node]] = [iter((match.node,))]
        while nodes:
            node = next(nodes[-1], None)
            if node is None:
                nodes.pop()
                continue
            for member in node.members:
                found.append(member)
                if len(found) == limit:
                    return found
            nodes.append(iter(node.children))
        return found

    def is_inside(self, leaf: Node, match: Match) -> bool:
        """Whether the prompt that ends in `leaf` is a prefix of the matched segments."""
        last = match.last
        return last is leaf or any(node is leaf for node in upwards(last))

    def includes(self, leaf: Node, match: Match) -> bool:
        """Whether the matched segments are a prefix of the prompt that ends in `leaf`."""
        return any(node is match.node for node in upwards(leaf))

    def length_in_common(self, member: Member, match: Match) -> int:
        """How many of the matched segments are at the beginning of the conversation's newest prompt."""
        path = set(upwards(match.node))
        length = member.length
        for node in upwards(member.leaf):
            if node in path:
                return min(length, match.length)
            length -= len(node)
        return 0

    def tokens_in_common(self, leaf: Node, match: Match) -> float:
        """Tokens that the prompt ending in `leaf` has in common with the matched segments."""
        path = set(upwards(leaf))
        tokens = 0.0
        for node in upwards(match.node):
            if node in path:
                tokens += node.tokens * (node.share(match.inside) if node is match.node else 1.0)
        return tokens

    def tokens_of(self, match: Match) -> float:
        """Tokens of the matched segments."""
        if not match.length:
            return 0.0
        return self.tokens_to(match.node.parent) + match.node.tokens * match.node.share(match.inside)

    def tokens_to(self, leaf: Node | None) -> float:
        """Tokens of the prompt that ends in `leaf`."""
        tokens = 0.0
        for node in upwards(leaf):
            tokens += node.tokens
        return tokens

    def ends_with(self, member: Member, chain: Chain) -> bool:
        """Whether this chain is the conversation's newest prompt."""
        return member.leaf is not None and member.leaf.hashes[-HASH_BYTES:] == chain.hashes[-HASH_BYTES:]

    def uncounted(self, member: Member) -> tuple[float, int, int]:
        """Of a conversation's newest prompt: the tokens that the engine has counted before, and the bytes of text and
        the media items in the rest.
        """
        known, text, media = 0.0, 0, 0
        for node in upwards(member.leaf):
            more_text, more_media = node.uncounted
            known, text, media = known + node.counted_tokens, text + more_text, media + more_media
        return known, text, media

    def chain_of(self, member: Member) -> Chain | None:
        """The newest chain of a conversation."""
        if member.leaf is None:
            return None
        nodes = list(upwards(member.leaf))[::-1]
        media: list[int] = []
        length = 0
        for node in nodes:
            media += [length + index for index in node.media]
            length += len(node)
        hashes, sizes = b"".join(node.hashes for node in nodes), b"".join(node.sizes for node in nodes)
        return Chain(hashes, sizes, tuple(media), member.head, inputs=member.inputs)
