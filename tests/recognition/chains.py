"""Chains for tests: a prompt is a list of words, one segment each."""

from hashlib import blake2b

from concur_proxy.recognition.chain import HASH_BYTES, SIZE_BYTES, Chain


def chain(*words: str, head: int = 1, scope: str = "", media: tuple[int, ...] = (), size: int = 100) -> Chain:
    """The chain of a prompt. `size`: bytes of text in each segment."""
    digest, hashes = scope.encode(), b""
    for word in words:
        digest = blake2b(digest + word.encode(), digest_size=HASH_BYTES).digest()
        hashes += digest
    return Chain(hashes, size.to_bytes(SIZE_BYTES, "little") * len(words), media, head)
