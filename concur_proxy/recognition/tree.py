"""The conversation tree: what the prompts of all known conversations have in common.

A prompt is a chain of segments (see `Chain`). The tree keeps the newest chain of each conversation. Chains that begin
alike share nodes; a run of segments at which nobody branches off is one node:

    root ─► tools, system prompt ─┬─► first task ─► answer ─► result     conversation 1
                                  └─► other task ─► answer               conversation 2

The tree answers three questions. Which conversations end inside a new prompt, so that it continues one of them? How
many tokens do several conversations share, so that they are counted once (see `Unions`)? How much of a prompt should
the engine's cache hold? It contains hashes and sizes, and no content. Its size is that of the newest chains.

No operation looks at all conversations, at all that end at one node, or at all children of a node. What an operation
costs depends on the number of nodes and segments of one chain.
"""

from collections.abc import Iterator, Mapping

from concur_proxy.recognition.chain import HASH_BYTES, SIZE_BYTES, Chain
from concur_proxy.recognition.counts import learn_count
from concur_proxy.recognition.member import Member
from concur_proxy.recognition.node import Estimate, Match, Node, common, upwards
from concur_proxy.recognition.unions import Unions

MOST_OF_A_NODE = 64
"""Conversations with one and the same newest prompt of which `ending_within` offers the next."""

MEMBER_BYTES = 1_800
"""Memory of a conversation and its session without the nodes, about."""
NODE_BYTES = 600
"""Memory of a node without its segments, about."""
ITEM_BYTES = 8
"""Memory of a media item of a node."""


class ConversationTree:
    """The newest chains of all known conversations, and what they share."""

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
        self._computed: dict[tuple[str, int], Mapping[str, int]] = {}
        """The value of `Node.computed` for nodes that one engine has computed. Most nodes have the same."""

    @property
    def held_bytes(self) -> int:
        """Memory of all known conversations and their sessions, about."""
        return self.conversations * MEMBER_BYTES + len(self._nodes) * NODE_BYTES + self._run_bytes

    # -- looking up

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

    # -- changing

    def add(self, member: Member) -> None:
        """Count the conversation, also before it has a prompt that can be read."""
        if not member.is_known:
            member.is_known = True
            self.conversations += 1

    def put(self, member: Member, chain: Chain, estimate: Estimate, match: Match | None = None) -> None:
        """Make `chain` the newest prompt of a conversation. Unknown segments get estimated sizes. `match` is the
        result of `match(chain)`, if the caller has it.
        """
        self.add(member)
        match, length = match or self.match(chain), len(chain)
        self._last_chain = None
        if member.leaf is match.node and match.is_whole and _is_alone(member):
            self._extend(match.node, chain, match.length, estimate)
        else:
            self._move(member, chain, match, estimate)
        member.length, member.head, member.inputs = length, chain.head, chain.inputs[-HASH_BYTES:]
        if not member.first_segments:
            member.first_segments = member.length

    def drop(self, member: Member) -> None:
        """Forget a conversation."""
        self._last_chain = None
        self.conversations -= member.is_known
        member.is_known = False
        self.unions.uncharge(member, member.groups)
        leaf, member.leaf = member.leaf, None
        if leaf is not None:
            leaf.members.remove(member)
            self._leave(leaf)

    def renew(self, member: Member, estimate: Estimate) -> float:
        """Estimate again what no engine has counted of a conversation's prompt. Returns the tokens of the prompt."""
        for node in upwards(member.leaf):
            text, media = node.uncounted
            if text or media:
                self.unions.resize(node, node.counted_tokens + estimate(text, media))
        return self.tokens_to(member.leaf)

    def count(self, member: Member, prompt_tokens: int, *, engine: str, cache: int) -> None:
        """Learn from an answer: the engine counted `prompt_tokens` in this conversation's newest prompt, which are
        now in this generation of its cache.
        """
        nodes = list(upwards(member.leaf))
        if learn_count(nodes, prompt_tokens, self.unions):
            for node in nodes:
                if node.computed.get(engine) != cache:
                    node.computed = self._computed_too(node, engine, cache)

    def _computed_too(self, node: Node, engine: str, cache: int) -> Mapping[str, int]:
        """The value of `computed` for a node that this engine has computed too."""
        if not node.computed.keys() <= {engine}:
            return {**node.computed, engine: cache}
        return self._computed.setdefault((engine, cache), {engine: cache})

    def _move(self, member: Member, chain: Chain, match: Match, estimate: Estimate) -> None:
        """Put the conversation at the end of `chain`."""
        groups, old = member.groups, member.leaf
        self.unions.uncharge(member, groups)
        node = match.node if match.is_whole else self._split(match.node, match.inside)
        if match.length < len(chain):
            node = self._grow(node, chain, match.length, estimate)
        if old is not None:
            old.members.remove(member)
        member.leaf = node
        node.members.add(member)
        for part in upwards(node):
            part.below += 1
        if old is not None:
            self._leave(old)
        self.unions.charge(member, groups)

    def _extend(self, node: Node, chain: Chain, start: int, estimate: Estimate) -> None:
        added = len(chain) - start
        if added:
            before = len(node.media)
            node.extend(chain, start, estimate)
            self._run_bytes += (HASH_BYTES + SIZE_BYTES) * added + ITEM_BYTES * (len(node.media) - before)

    def _grow(self, node: Node, chain: Chain, start: int, estimate: Estimate) -> Node:
        child = Node(node, chain, start, estimate(*chain.text_from(start)))
        node.children.add(child)
        self._nodes[child.start] = child
        self._run_bytes += _run_bytes(child)
        return child

    def _split(self, node: Node, segments: int) -> Node:
        first = node.split(segments)
        self._nodes[first.start] = first
        self._nodes[node.start] = node
        return first

    def _leave(self, leaf: Node) -> None:
        """A conversation no longer ends in `leaf`. Forget the nodes that nobody needs, and join those of one run."""
        for node in list(upwards(leaf)):
            node.below -= 1
            if not node.below and node.parent is not None:
                node.parent.children.remove(node)
                del self._nodes[node.start]
                self._run_bytes -= _run_bytes(node)
            elif node.is_needless and (child := node.children.only) is not None:
                del self._nodes[child.start]
                child.absorb(node)
                self._nodes[child.start] = child


def _run_bytes(node: Node) -> int:
    return len(node.hashes) + len(node.sizes) + ITEM_BYTES * len(node.media)


def _is_alone(member: Member) -> bool:
    """Whether nobody else uses the end of the conversation's prompt, so that it can grow in place."""
    leaf = member.leaf
    return leaf is not None and leaf.parent is not None and leaf.below == 1
