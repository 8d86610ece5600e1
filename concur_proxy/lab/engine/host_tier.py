"""A second KV cache in host memory, like vLLM's offloading and SGLang's hierarchical cache."""

from concur_proxy.lab.engine.prefix_cache import BlockKeys, PrefixCache


class HostTier:
    """Keeps a copy of each sequence that leaves the batch, so it survives the eviction from the engine's own cache. The
    least recently kept sequences make room.
    """

    def __init__(self, blocks: int) -> None:
        self._cache = PrefixCache(blocks)

    def find(self, keys: BlockKeys) -> int:
        """The length in blocks of the longest prefix of `keys` in this tier."""
        return self._cache.match(keys)[1]

    def keep(self, keys: BlockKeys) -> None:
        """Keep a sequence that has left the batch. A sequence that is larger than the tier is not kept."""
        node, known = self._cache.match(keys)
        self._cache.pin(node)
        if self._cache.take(len(keys) - known):
            node = self._cache.store(node, keys[known:])
        self._cache.unpin(node)
