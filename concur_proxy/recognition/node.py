"""The nodes of the conversation tree."""

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

import msgspec

from concur_proxy.recognition.chain import HASH_BYTES, SIZE_BYTES, Chain, total
from concur_proxy.recognition.member import Member
from concur_proxy.recognition.rows import Link, Row

MEDIA_WEIGHT_BYTES = 4_000
"""Weight of an image, in bytes of text, where the tokens of a node are divided among its segments."""

Estimate = Callable[[int, int], float]
"""Tokens of so many bytes of text and so many media items."""

NOWHERE: Mapping[str, int] = MappingProxyType({})
"""The numbers of a node by group or by engine, where it has none."""


class Node(Link):
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
        self.children: Row[Node] = Row()
        self.members: Row[Member] = Row()
        """The conversations whose newest prompt ends here."""
        self.below = 0
        """How many conversations end here or further down."""
        self.users: Mapping[str, int] = NOWHERE
        """How many conversations of each group include this node, see `Unions`. It is replaced, and never changed:
        nodes share it.
        """
        self.computed: Mapping[str, int] = NOWHERE
        """The generation of each engine's cache in which the engine has answered a prompt that includes this node. It
        is replaced, and never changed: nodes share it.
        """

    def __len__(self) -> int:
        return len(self.hashes) // HASH_BYTES

    @property
    def start(self) -> bytes:
        """Its first hash. No other node has it, because it is a hash of everything before it too."""
        return self.hashes[:HASH_BYTES]

    @property
    def weight(self) -> int:
        """Its size in bytes of text, with media at their weight."""
        return self.text_bytes + MEDIA_WEIGHT_BYTES * len(self.media)

    @property
    def uncounted(self) -> tuple[int, int]:
        """The bytes of text and the number of media items that no engine has counted."""
        return self.text_bytes - self.counted_text, len(self.media) - self.counted_media

    @property
    def is_counted(self) -> bool:
        """Whether an engine has counted a part of it. Counted text can have no tokens: an engine may say anything."""
        return bool(self.counted_tokens or self.counted_text or self.counted_media)

    def share(self, segments: int) -> float:
        """The share of its tokens that its first segments have, by their sizes."""
        before = total(self.sizes[: segments * SIZE_BYTES])
        before += MEDIA_WEIGHT_BYTES * sum(index < segments for index in self.media)
        return before / self.weight if self.weight else segments / len(self)

    def note_count(self) -> None:
        """An engine has counted all of it."""
        self.counted_tokens, self.counted_text, self.counted_media = self.tokens, self.text_bytes, len(self.media)

    def extend(self, chain: Chain, start: int, estimate: Estimate) -> None:
        """Continue it with the segments of `chain` from `start` on."""
        text, media = chain.text_from(start)
        if media:
            moved = len(self) - start
            self.media = (*self.media, *(moved + index for index in chain.media if index >= start))
        self.tokens += estimate(text, media)
        self.hashes += chain.hashes[start * HASH_BYTES :]
        self.sizes += chain.sizes[start * SIZE_BYTES :]
        self.text_bytes += text

    def split(self, segments: int) -> "Node":
        """Take the first `segments` away. Returns them as a node that is between the parent and this one."""
        first = Node(self.parent, Chain(b"", b""), 0, self.tokens * self.share(segments))
        first.hashes, self.hashes = self.hashes[: segments * HASH_BYTES], self.hashes[segments * HASH_BYTES :]
        first.sizes, self.sizes = self.sizes[: segments * SIZE_BYTES], self.sizes[segments * SIZE_BYTES :]
        first.text_bytes = total(first.sizes)
        self.text_bytes -= first.text_bytes
        first.media = tuple(index for index in self.media if index < segments)
        self.media = tuple(index - segments for index in self.media if index >= segments)
        first.below, first.users, first.computed = self.below, self.users, self.computed
        self.tokens -= first.tokens
        if self.is_counted:
            first.note_count()
            self.counted_tokens = max(0.0, self.counted_tokens - first.tokens)
            self.counted_text = max(0, self.counted_text - first.text_bytes)
            self.counted_media = max(0, self.counted_media - len(first.media))
        assert self.parent is not None  # noqa: S101 - the root has no segments to split
        self.parent.children.remove(self)
        self.parent.children.add(first)
        first.children.add(self)
        self.parent = first
        return first

    def absorb(self, parent: "Node") -> None:
        """Put the segments of its parent, which nothing else needs, in front of its own."""
        self.media = (*parent.media, *(len(parent) + index for index in self.media))
        self.hashes, self.sizes = parent.hashes + self.hashes, parent.sizes + self.sizes
        self.text_bytes += parent.text_bytes
        self.tokens += parent.tokens
        self.counted_tokens += parent.counted_tokens
        self.counted_text += parent.counted_text
        self.counted_media += parent.counted_media
        assert parent.parent is not None  # noqa: S101 - the root is nobody's only parent
        parent.parent.children.remove(parent)
        parent.parent.children.add(self)
        self.parent = parent.parent

    @property
    def is_needless(self) -> bool:
        """Whether it and its only child can be one node."""
        child = self.children.only
        return (
            self.parent is not None
            and child is not None
            and not self.members
            and child.is_counted == self.is_counted
            and child.computed == self.computed
        )


class Match(msgspec.Struct, frozen=True):
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


def upwards(node: Node | None) -> Iterator[Node]:
    """The node and those before it, without the root."""
    while node is not None and node.parent is not None:
        yield node
        node = node.parent


def common(run: bytes, hashes: bytes, start: int) -> int:
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
