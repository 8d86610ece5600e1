"""The conversation tree: what the prompts of all known conversations have in common.

A prompt is a chain of segments (see `Chain`). The tree keeps the newest chain of each conversation. Chains that begin
alike share nodes; a run of segments at which nobody branches off is one node:

    root ─► tools, system prompt ─┬─► first task ─► answer ─► result     conversation 1
                                  └─► other task ─► answer               conversation 2

The tree answers three questions. Which conversations end inside a new prompt, so that it continues one of them? How
many tokens do several conversations share, so that they are counted once? How much of a prompt should the engine's
cache hold? It contains hashes and sizes, and no content. Its size is that of the newest chains.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import takewhile

from concur_proxy.recognition.chain import HASH_BYTES, SIZE_BYTES, Chain, total

MEDIA_WEIGHT_BYTES = 4_000
"""Weight of an image, in bytes of text, where the tokens of a node are divided among its segments."""
SMOOTHING = 0.25
"""Weight of the newest answer in the size of a shared node."""

Estimate = Callable[[int, int], float]
"""Tokens of so many bytes of text and so many media items."""


class Node:
    """A run of segments that follows the segments of its parent."""

    __slots__ = (
        "below",
        "children",
        "computed",
        "counted_media",
        "counted_text",
        "counted_tokens",
        "hashes",
        "media",
        "members",
        "parent",
        "sizes",
        "text_bytes",
        "tokens",
        "users",
    )

    def __init__(self, parent: "Node | None", chain: Chain, start: int, tokens: float) -> None:
        """The segments of `chain` from `start` on."""
        self.parent = parent
        self.hashes = chain.hashes[start * HASH_BYTES :]
        self.sizes = chain.sizes[start * SIZE_BYTES :]
        self.text_bytes = total(self.sizes)
        """Size of its text."""
        self.media = tuple(index - start for index in chain.media if index >= start)
        """The index in this node of the segment of each media item."""
        self.tokens = tokens
        """Its length, estimated or derived from the engine's counts."""
        self.counted_tokens, self.counted_text, self.counted_media = 0.0, 0, 0
        """The part of it that an engine has counted: its tokens, bytes of text and media items."""
        self.children: dict[bytes, Node] = {}
        """By their first hash."""
        self.members: dict[Member, None] = {}
        """The conversations whose newest prompt ends here."""
        self.below = 0
        """How many conversations end here or further down."""
        self.users: dict[str, int] = {}
        """How many conversations of each group include this node, see `ConversationTree.charge`."""
        self.computed: dict[str, int] = {}
        """The generation of each engine's cache in which the engine has answered a prompt that includes this node."""

    def __len__(self) -> int:
        return len(self.hashes) // HASH_BYTES

    @property
    def weight(self) -> int:
        """Its size in bytes of text, with media at their weight."""
        return self.text_bytes + MEDIA_WEIGHT_BYTES * len(self.media)

    @property
    def uncounted(self) -> tuple[int, int]:
        """The bytes of text and the number of media items that no engine has counted."""
        return self.text_bytes - self.counted_text, len(self.media) - self.counted_media

    def share(self, segments: int) -> float:
        """The share of its tokens that its first segments have, by their sizes."""
        before = total(self.sizes[: segments * SIZE_BYTES])
        before += MEDIA_WEIGHT_BYTES * sum(index < segments for index in self.media)
        return before / self.weight if self.weight else segments / len(self)


class Member:
    """One conversation: an agent of a session, with its newest prompt and the cache that it needs."""

    __slots__ = (
        "busy",
        "cache",
        "completion_tokens",
        "context_tokens",
        "first_segments",
        "footprint",
        "gap",
        "groups",
        "head",
        "is_declared",
        "is_done",
        "is_live",
        "leaf",
        "length",
        "name",
        "parent",
        "prompt_tokens",
        "round_tokens",
        "session",
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
        self.leaf: Node | None = None
        """The end of its newest prompt; None if no prompt could be read."""
        self.length = 0
        """Number of segments of its newest prompt."""
        self.head = 0
        """How many of these are tools and system prompt."""
        self.first_segments = 0
        """Number of segments of its first prompt."""
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
        self.prompt_tokens: int | None = None
        """Tokens of its last answered prompt, as the engine counted them."""
        self.completion_tokens = 0
        """Tokens of that answer."""
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


@dataclass(frozen=True, slots=True)
class Match:
    """How far a chain is known."""

    node: Node
    """The last node that matches, at least in part."""
    inside: int
    """How many of its segments match."""
    length: int
    """How many segments of the chain match."""

    @property
    def is_whole(self) -> bool:
        """Whether the match ends where the node ends."""
        return self.inside == len(self.node)

    @property
    def last(self) -> Node | None:
        """The last node that matches as a whole."""
        return self.node if self.is_whole else self.node.parent


class ConversationTree:
    """The newest chains of all known conversations, and what they share."""

    def __init__(self) -> None:
        self._root = Node(None, Chain(b"", b""), 0, 0.0)
        self._saved: dict[str, float] = {}

    # -- looking up

    def match(self, chain: Chain) -> Match:
        """Find the longest known prefix of a chain."""
        node, length = self._root, 0
        while length < len(chain) and (child := node.children.get(chain.hash_at(length))) is not None:
            inside = _common(child.hashes, chain.hashes, length)
            node, length = child, length + inside
            if inside < len(child):
                return Match(node, inside, length)
        return Match(node, len(node), length)

    def ending_within(self, match: Match) -> Iterator[Member]:
        """The conversations whose newest prompt is a prefix of the matched segments, the longest first."""
        for node in _upwards(match.last):
            yield from node.members

    def sharing(self, match: Match, *, limit: int) -> list[Member]:
        """The conversations that go on after the matched segments or end there, at most `limit`."""
        found: list[Member] = []
        nodes = [match.node]
        while nodes and len(found) < limit:
            node = nodes.pop()
            found += node.members
            nodes += node.children.values()
        return found[:limit]

    def is_inside(self, leaf: Node, match: Match) -> bool:
        """Whether the prompt that ends in `leaf` is a prefix of the matched segments."""
        return any(node is leaf for node in _upwards(match.last))

    def tokens_in_common(self, leaf: Node, match: Match) -> float:
        """Tokens that the prompt ending in `leaf` has in common with the matched segments."""
        path = set(_upwards(leaf))
        tokens = 0.0
        for node in _upwards(match.node):
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
        return sum(node.tokens for node in _upwards(leaf))

    def ends_with(self, member: Member, chain: Chain) -> bool:
        """Whether this chain is the conversation's newest prompt."""
        return member.leaf is not None and member.leaf.hashes[-HASH_BYTES:] == chain.hashes[-HASH_BYTES:]

    def uncounted(self, member: Member) -> tuple[float, int, int]:
        """Of a conversation's newest prompt: the tokens that the engine has counted before, and the bytes of text and
        the media items in the rest.
        """
        known, text, media = 0.0, 0, 0
        for node in _upwards(member.leaf):
            more_text, more_media = node.uncounted
            known, text, media = known + node.counted_tokens, text + more_text, media + more_media
        return known, text, media

    def chain_of(self, member: Member) -> Chain | None:
        """The newest chain of a conversation."""
        if member.leaf is None:
            return None
        nodes = list(_upwards(member.leaf))[::-1]
        media: list[int] = []
        length = 0
        for node in nodes:
            media += [length + index for index in node.media]
            length += len(node)
        hashes, sizes = b"".join(node.hashes for node in nodes), b"".join(node.sizes for node in nodes)
        return Chain(hashes, sizes, tuple(media), member.head)

    # -- changing

    def put(self, member: Member, chain: Chain, estimate: Estimate, match: Match | None = None) -> None:
        """Make `chain` the newest prompt of a conversation. Unknown segments get estimated sizes. `match` is the
        result of `match(chain)`, if the caller has it.
        """
        match = match or self.match(chain)
        groups = member.groups
        if member.leaf is match.node and match.is_whole and _is_alone(member):
            _extend(match.node, chain, match.length, estimate)
        else:
            self.uncharge(member, groups)
            old = member.leaf
            node = match.node if match.is_whole else self._split(match.node, match.inside)
            if match.length < len(chain):
                node = _grow(node, chain, match.length, estimate)
            _enter(member, node)
            if old is not None:
                _leave(member, old)
            self.charge(member, groups)
        member.length, member.head = len(chain), chain.head
        if not member.first_segments:
            member.first_segments = len(chain)

    def drop(self, member: Member) -> None:
        """Forget a conversation."""
        self.uncharge(member, member.groups)
        leaf, member.leaf = member.leaf, None
        if leaf is not None:
            _leave(member, leaf)

    def renew(self, member: Member, estimate: Estimate) -> float:
        """Estimate again what no engine has counted of a conversation's prompt. Returns the tokens of the prompt."""
        for node in _upwards(member.leaf):
            text, media = node.uncounted
            if text or media:
                self._resize(node, node.counted_tokens + estimate(text, media))
        return self.tokens_to(member.leaf)

    def count(self, member: Member, prompt_tokens: int, *, engine: str, cache: int) -> None:
        """Learn from an answer: the engine counted `prompt_tokens` in this conversation's newest prompt, which are
        now in this generation of its cache.

        What several conversations share is learnt from all of them. The rest of the count is this conversation's own.
        """
        nodes = list(_upwards(member.leaf))
        whole = _expected(nodes)
        if whole <= 0:
            return
        scale, shared = prompt_tokens / whole, 0.0
        own = [node for node in nodes if node.below == 1]
        for node in nodes:
            node.computed[engine] = cache
            if node.below > 1:
                change = node.tokens * (scale - 1) * (SMOOTHING if node.counted_tokens else 1.0)
                self._resize(node, node.tokens + change)
                _note_count(node)
                shared += node.tokens
        rest, estimated = max(0.0, prompt_tokens - shared), sum(node.tokens for node in own)
        for node in own:
            self._resize(node, rest * node.tokens / estimated if estimated else 0.0)
            _note_count(node)

    # -- charging

    def saved(self, group: str) -> float:
        """Tokens that the charged conversations of a group share: the sum of their own prompts minus their union."""
        return self._saved.get(group, 0.0)

    def charge(self, member: Member, groups: Iterable[str]) -> None:
        """Count the conversation in these groups. A node that several of a group include counts once there."""
        groups = tuple(groups)
        for node in _upwards(member.leaf):
            for group in groups:
                users = node.users.get(group, 0)
                if users:
                    self._saved[group] = self._saved.get(group, 0.0) + node.tokens
                node.users[group] = users + 1
        member.groups = (*member.groups, *groups)

    def uncharge(self, member: Member, groups: Iterable[str]) -> None:
        """Count the conversation in these groups no longer."""
        groups = tuple(groups)
        for node in _upwards(member.leaf):
            for group in groups:
                users = node.users[group] - 1
                if users:
                    self._saved[group] -= node.tokens
                    node.users[group] = users
                else:
                    del node.users[group]
        member.groups = tuple(group for group in member.groups if group not in groups)

    def addition(self, members: Iterable[Member], group: str) -> float:
        """The tokens that these conversations would add to the union of a group in which they are not charged yet."""
        tokens, seen = 0.0, set[Node]()
        for member in members:
            tokens += member.footprint
            for node in _upwards(member.leaf):
                if node.users.get(group) or node in seen:
                    tokens -= node.tokens
                seen.add(node)
        return max(0.0, tokens)

    def held_in(self, member: Member, group: str, *, engine: str, cache: int) -> float:
        """The tokens at the start of the conversation's prompt that another charged conversation keeps in the engine's
        cache.
        """
        nodes = reversed(list(_upwards(member.leaf)))
        own = 1 if group in member.groups else 0
        return sum(
            node.tokens
            for node in takewhile(
                lambda node: node.users.get(group, 0) > own and node.computed.get(engine) == cache, nodes
            )
        )

    def _resize(self, node: Node, tokens: float) -> None:
        change = tokens - node.tokens
        for group, users in node.users.items():
            if users > 1:
                self._saved[group] += (users - 1) * change
        node.tokens = tokens

    def _split(self, node: Node, segments: int) -> Node:
        """Split a node after its first `segments`. Returns the first part; the node itself becomes the second."""
        first = Node(node.parent, Chain(b"", b""), 0, node.tokens * node.share(segments))
        first.hashes, node.hashes = node.hashes[: segments * HASH_BYTES], node.hashes[segments * HASH_BYTES :]
        first.sizes, node.sizes = node.sizes[: segments * SIZE_BYTES], node.sizes[segments * SIZE_BYTES :]
        first.text_bytes = total(first.sizes)
        node.text_bytes -= first.text_bytes
        first.media = tuple(index for index in node.media if index < segments)
        node.media = tuple(index - segments for index in node.media if index >= segments)
        first.below, first.users, first.computed = node.below, dict(node.users), dict(node.computed)
        node.tokens -= first.tokens
        if node.counted_tokens:
            _note_count(first)
            node.counted_tokens = max(0.0, node.counted_tokens - first.tokens)
            node.counted_text = max(0, node.counted_text - first.text_bytes)
            node.counted_media = max(0, node.counted_media - len(first.media))
        assert node.parent is not None  # noqa: S101 - the root has no segments to split
        node.parent.children[first.hashes[:HASH_BYTES]] = first
        first.children[node.hashes[:HASH_BYTES]] = node
        node.parent = first
        return first


def _upwards(node: Node | None) -> Iterator[Node]:
    """The node and those before it, without the root."""
    while node is not None and node.parent is not None:
        yield node
        node = node.parent


def _is_alone(member: Member) -> bool:
    """Whether nobody else uses the end of the conversation's prompt, so that it can grow in place."""
    leaf = member.leaf
    return leaf is not None and leaf.parent is not None and leaf.below == 1


def _extend(node: Node, chain: Chain, start: int, estimate: Estimate) -> None:
    if start < len(chain):
        more = Node(None, chain, start, estimate(*chain.text_from(start)))
        node.media = (*node.media, *(len(node) + index for index in more.media))
        node.tokens += more.tokens
        node.hashes += more.hashes
        node.sizes += more.sizes
        node.text_bytes += more.text_bytes


def _expected(nodes: Collection[Node]) -> float:
    """Tokens of these nodes, if what was not counted yet has as many tokens for its size as what was."""
    counted = [node for node in nodes if node.counted_tokens]
    size = sum(node.weight for node in counted)
    tokens = sum(node.tokens for node in counted)
    if not size:
        return sum(node.tokens for node in nodes)
    rest = sum(node.weight for node in nodes if not node.counted_tokens)
    return tokens + rest * tokens / size


def _note_count(node: Node) -> None:
    node.counted_tokens, node.counted_text, node.counted_media = node.tokens, node.text_bytes, len(node.media)


def _grow(node: Node, chain: Chain, start: int, estimate: Estimate) -> Node:
    child = Node(node, chain, start, estimate(*chain.text_from(start)))
    node.children[child.hashes[:HASH_BYTES]] = child
    return child


def _enter(member: Member, leaf: Node) -> None:
    member.leaf = leaf
    leaf.members[member] = None
    for node in _upwards(leaf):
        node.below += 1


def _leave(member: Member, leaf: Node) -> None:
    if member.leaf is not leaf:
        leaf.members.pop(member, None)
    for node in list(_upwards(leaf)):
        node.below -= 1
        if not node.below and node.parent is not None:
            del node.parent.children[node.hashes[:HASH_BYTES]]


def _common(run: bytes, hashes: bytes, start: int) -> int:
    """How many segments of `run` equal those of `hashes` from `start` on. The first one is known to be equal. Hashes
    are cumulative: after the first difference, all differ.
    """
    offset = start * HASH_BYTES
    most = min(len(run), len(hashes) - offset) // HASH_BYTES
    low, high = 1, most
    while low < high:
        middle = (low + high + 1) // 2
        at = (middle - 1) * HASH_BYTES
        if run[at : at + HASH_BYTES] == hashes[offset + at : offset + at + HASH_BYTES]:
            low = middle
        else:
            high = middle - 1
    return low
