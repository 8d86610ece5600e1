import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from concur_proxy.lab.engine.prefix_cache import BlockKeys, CacheNode, PrefixCache


def hold(cache: PrefixCache, keys: BlockKeys) -> tuple[CacheNode, int]:
    """Do what a request does: pin the cached prefix, compute the rest, store it."""
    node, matched = cache.match(keys)
    cache.pin(node)
    assert cache.take(len(keys) - matched)
    return cache.store(node, keys[matched:]), matched


def visit(cache: PrefixCache, keys: BlockKeys) -> int:
    """Run a whole request; returns how many blocks it found."""
    node, matched = hold(cache, keys)
    cache.unpin(node)
    return matched


def test_a_sequence_is_found_again_by_its_prefix() -> None:
    cache = PrefixCache(10)
    assert visit(cache, (1, 2, 3)) == 0
    assert visit(cache, (1, 2, 3, 4)) == 3
    assert visit(cache, (1, 2, 9)) == 2
    assert (cache.used, cache.free, cache.evictable) == (0, 5, 5)


def test_the_least_recently_used_sequence_is_evicted_first_and_its_end_before_its_start() -> None:
    cache = PrefixCache(6)
    visit(cache, ("a", 1, 2))
    visit(cache, ("b", 1, 2))
    visit(cache, ("c",))
    assert cache.evicted == 1
    assert cache.match(("a", 1, 2))[1] == 2
    assert cache.match(("b", 1, 2))[1] == 3


def test_a_shared_prefix_stays_longer_than_the_sequences_that_share_it() -> None:
    cache = PrefixCache(5)
    visit(cache, ("s", "a1", "a2"))
    visit(cache, ("s", "b1", "b2"))
    visit(cache, ("x", "y"))
    assert cache.match(("s", "a1", "a2"))[1] == 1
    assert cache.match(("s", "b1", "b2"))[1] == 3


def test_blocks_in_use_are_not_evicted() -> None:
    cache = PrefixCache(4)
    node, _ = hold(cache, (1, 2))
    assert not cache.take(3)
    assert cache.take(2)
    cache.give_back(2)
    cache.unpin(node)
    assert cache.take(4)


def test_the_same_content_is_kept_once() -> None:
    cache = PrefixCache(6)
    root, _ = cache.match(())
    for _ in range(2):
        cache.pin(root)
        assert cache.take(3)
    nodes = [cache.store(root, (1, 2, 3)) for _ in range(2)]
    assert (cache.free, cache.used) == (3, 3)
    for node in nodes:
        cache.unpin(node)
    assert (cache.used, cache.evictable) == (0, 3)


def test_room_for_a_request_does_not_include_the_blocks_of_its_prefix() -> None:
    cache = PrefixCache(5)
    visit(cache, (1, 2))
    visit(cache, (7,))
    node, matched = cache.match((1, 2, 3))
    assert (matched, cache.room_beside(node)) == (2, 3)


def test_a_cache_without_blocks_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one block"):
        PrefixCache(0)


class CacheMachine(RuleBasedStateMachine):
    """Random requests, several at once, against a recount of the tree."""

    def __init__(self) -> None:
        super().__init__()
        self.cache = PrefixCache(12)
        self.held: list[tuple[CacheNode, int]] = []
        """Each request's last pinned node and its private blocks."""

    @rule(keys=st.lists(st.integers(0, 2), min_size=1, max_size=8), stored=st.booleans())
    def begin(self, keys: list[int], stored: bool) -> None:  # noqa: FBT001 - hypothesis passes by name
        sequence = tuple(keys)
        node, matched = self.cache.match(sequence)
        missing = len(sequence) - matched
        fits = missing <= self.cache.room_beside(node)
        self.cache.pin(node)
        assert self.cache.take(missing) is fits
        if not fits:
            self.cache.unpin(node)
        elif stored:
            self.held.append((self.cache.store(node, sequence[matched:]), 0))
            assert self.cache.match(sequence)[1] == len(sequence)
        else:
            self.held.append((node, missing))

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        node, private = self.held.pop(data.draw(st.integers(0, len(self.held) - 1)))
        self.cache.give_back(private)
        self.cache.unpin(node)

    @invariant()
    def adds_up(self) -> None:
        pinned = evictable = 0
        users: dict[CacheNode, int] = {}
        for node, _ in self.held:
            step: CacheNode | None = node
            while step is not None:
                users[step] = users.get(step, 0) + 1
                step = step.parent
        nodes = [self.cache.match(())[0]]
        while nodes:
            node = nodes.pop()
            nodes.extend(node.children.values())
            assert all(child.parent is node and child.keys[0] == key for key, child in node.children.items())
            if node.parent is not None:
                assert node.keys
                assert node.users == users.get(node, 0)
            if node.users:
                pinned += len(node.keys)
            else:
                evictable += len(node.keys)
        private = sum(blocks for _, blocks in self.held)
        assert self.cache.evictable == evictable
        assert self.cache.used == pinned + private
        assert self.cache.free + evictable + pinned + private == self.cache.blocks


TestCacheMachine = CacheMachine.TestCase
TestCacheMachine.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
