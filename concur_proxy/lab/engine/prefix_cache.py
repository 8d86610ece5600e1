"""The paged KV cache: blocks that requests use, and a content-addressed tree of blocks that can be reused."""

from collections.abc import Hashable
from itertools import count

from sortedcontainers import SortedDict

BlockKeys = tuple[Hashable, ...]
"""The content of a sequence: one key for each whole block."""


class CacheNode:
    """A run of cached blocks that follows the blocks of its parent. Sequences branch between nodes."""

    __slots__ = ("children", "keys", "last_used", "number", "parent", "users")

    def __init__(self, keys: BlockKeys, parent: "CacheNode | None", number: int) -> None:
        self.keys = keys
        self.number = number
        """Breaks ties between nodes that were last used at the same time."""
        self.parent = parent
        self.children: dict[Hashable, CacheNode] = {}
        """By the first key of each child."""
        self.users = 0
        """Number of requests whose sequence includes this node."""
        self.last_used = 0


class PrefixCache:
    """Counts blocks and decides which cached blocks are evicted: the least recently used first, and the end of a
    sequence before its start.

    A block is free, private to a request, or in the tree. A block in the tree is pinned while a request uses its node;
    otherwise it is evictable. Sequences share whole blocks from their start, as in vLLM's hash chain and SGLang's radix
    tree.
    """

    def __init__(self, blocks: int) -> None:
        if blocks < 1:
            raise ValueError(f"a cache needs at least one block, not {blocks}")
        self.blocks = blocks
        """Total number of blocks."""
        self.free = blocks
        """Number of empty blocks."""
        self.evictable = 0
        """Number of blocks in the tree that no request uses."""
        self.evicted = 0
        """Number of blocks evicted since the start."""
        self._numbers = count()
        self._root = CacheNode((), None, next(self._numbers))
        self._root.users = 1
        self._leaves: SortedDict[tuple[int, int], CacheNode] = SortedDict()
        """Evictable nodes without children, the least recently used first."""

    @property
    def used(self) -> int:
        """Number of blocks that requests use now, private or pinned."""
        return self.blocks - self.free - self.evictable

    def match(self, keys: BlockKeys) -> tuple[CacheNode, int]:
        """Find the longest cached prefix of `keys`: its last node and its length in blocks. Pins nothing."""
        node, length = self._root, 0
        while length < len(keys) and (child := node.children.get(keys[length])) is not None:
            shared = _common(child.keys, keys, length)
            if shared < len(child.keys):
                child = self._split(child, shared)
                return child, length + shared
            node, length = child, length + shared
        return node, length

    def room_beside(self, node: CacheNode) -> int:
        """Number of blocks that could be taken if the sequence that ends in `node` were pinned."""
        room = self.free + self.evictable
        step: CacheNode | None = node
        while step is not None:
            if step.users == 0:
                room -= len(step.keys)
            step = step.parent
        return room

    def pin(self, node: CacheNode) -> None:
        """Protect the sequence that ends in `node` from eviction, for a request that uses it."""
        step: CacheNode | None = node
        while step is not None:
            if step.users == 0:
                self._reclaim(step)
            step.users += 1
            step = step.parent

    def unpin(self, node: CacheNode) -> None:
        """End a request's use of the sequence. Blocks that no other request uses become evictable."""
        now = next(self._numbers)
        step: CacheNode | None = node
        while step is not None:
            step.users -= 1
            step.last_used = now
            if step.users == 0:
                self.evictable += len(step.keys)
                self._offer(step)
            step = step.parent

    def take(self, blocks: int) -> bool:
        """Make `blocks` private to a request; evicts if too few are free. Returns False and changes nothing if too few
        can be freed.
        """
        if blocks > self.free + self.evictable:
            return False
        if blocks > self.free:
            self._evict(blocks - self.free)
        self.free -= blocks
        return True

    def give_back(self, blocks: int) -> None:
        """Free private blocks."""
        self.free += blocks

    def store(self, node: CacheNode, keys: BlockKeys) -> CacheNode:
        """Move private blocks with these keys into the tree, after the pinned `node`. Returns the new last node, which
        is pinned instead of `node`. Blocks whose content is already in the tree become free.
        """
        at = 0
        while at < len(keys) and (child := node.children.get(keys[at])) is not None:
            shared = _common(child.keys, keys, at)
            node = child if shared == len(child.keys) else self._split(child, shared)
            if node.users == 0:
                self._reclaim(node)
            node.users += 1
            self.free += shared
            at += shared
        if at < len(keys):
            child = CacheNode(keys[at:], node, next(self._numbers))
            child.users = 1
            node.children[keys[at]] = child
            node = child
        return node

    def _split(self, node: CacheNode, length: int) -> CacheNode:
        """Split the node after `length` blocks; returns the first part."""
        parent = node.parent
        assert parent is not None  # noqa: S101 - the root has no keys to split
        head = CacheNode(node.keys[:length], parent, next(self._numbers))
        head.users, head.last_used = node.users, node.last_used
        parent.children[head.keys[0]] = head
        node.keys = node.keys[length:]
        node.parent = head
        head.children[node.keys[0]] = node
        return head

    def _offer(self, node: CacheNode) -> None:
        if not node.children:
            self._leaves[node.last_used, node.number] = node

    def _reclaim(self, node: CacheNode) -> None:
        self.evictable -= len(node.keys)
        self._leaves.pop((node.last_used, node.number), None)

    def _evict(self, blocks: int) -> None:
        while blocks > 0:
            leaf = self._leaves.peekitem(0)[1]
            gone = min(blocks, len(leaf.keys))
            blocks -= gone
            self.evicted += gone
            self.evictable -= gone
            self.free += gone
            if gone < len(leaf.keys):
                leaf.keys = leaf.keys[: len(leaf.keys) - gone]
            else:
                self._remove(leaf)

    def _remove(self, leaf: CacheNode) -> None:
        parent = leaf.parent
        assert parent is not None  # noqa: S101 - the root is always in use
        del self._leaves[leaf.last_used, leaf.number]
        del parent.children[leaf.keys[0]]
        if parent.users == 0:
            self._offer(parent)


def _common(run: BlockKeys, keys: BlockKeys, start: int) -> int:
    """How many blocks of `run` equal those of `keys` from `start` on. The first one is known to be equal."""
    length = min(len(run), len(keys) - start)
    if run[:length] == keys[start : start + length]:
        return length
    low, high = 1, length
    while low < high:  # comparing slices runs in C, so a binary search is faster than a loop
        middle = (low + high + 1) // 2
        if run[:middle] == keys[start : start + middle]:
            low = middle
        else:
            high = middle - 1
    return low
