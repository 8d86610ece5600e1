"""KV cache in host memory behind the engine's own, as vLLM's offloading and SGLang's hierarchical cache have it."""

from concur_proxy.lab.engine.prefix_cache import BlockKeys, PrefixCache


class HostTier:
    """Keeps whole sequences as they leave the batch, so that what the engine evicts later is still here; the least
    recently kept make room.
    """

    def __init__(self, blocks: int) -> None:
        self._cache = PrefixCache(blocks)

    def find(self, keys: BlockKeys) -> int:
        """The length in blocks of the longest prefix of `keys` that is here."""
        return self._cache.match(keys)[1]

    def keep(self, keys: BlockKeys) -> None:
        """A sequence has left the batch; one that is larger than all of the tier is not kept."""
        node, known = self._cache.match(keys)
        self._cache.pin(node)
        if self._cache.take(len(keys) - known):
            node = self._cache.store(node, keys[known:])
        self._cache.unpin(node)
