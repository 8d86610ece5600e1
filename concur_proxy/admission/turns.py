"""The turns of sessions that were never served and whose clients have left: each has it back if it soon comes again."""

from struct import Struct

from xxhash import xxh3_64_digest

KEPT_S = 60.0
"""A turn is kept for so many seconds."""
MOST = 1 << 17
"""Kept turns. Beyond this number, the oldest ones are lost."""
BUCKETS = 16

_ENTRY = Struct("<8sqd")


class Turns:
    """The seniorities of such sessions, by name.

    The session itself is forgotten at once. Of thousands of clients that leave together, a thousand small objects would
    be left, spread over all the memory that their requests have used, and Python could give back none of it. So a turn
    is 24 bytes of one of a few large blocks.
    """

    def __init__(self) -> None:
        self._buckets = tuple(bytearray() for _ in range(BUCKETS))
        """Entries of a hash of the name, the seniority, and the time until which it is kept; the oldest come first."""

    def keep(self, name: str, seniority: int, now: float) -> None:
        """The session's last client has left."""
        self.drop(name)
        digest, bucket = self._bucket(name)
        end = 0
        while end < len(bucket):
            _, _, until = _ENTRY.unpack_from(bucket, end)
            if now < until and len(bucket) - end < MOST // BUCKETS * _ENTRY.size:
                break
            end += _ENTRY.size
        del bucket[:end]
        bucket += _ENTRY.pack(digest, seniority, now + KEPT_S)

    def find(self, name: str, now: float) -> int | None:
        """The seniority that the session has back; None if it has none."""
        digest, bucket = self._bucket(name)
        at = _position(bucket, digest)
        if at < 0:
            return None
        _, seniority, until = _ENTRY.unpack_from(bucket, at)
        return int(seniority) if now < until else None

    def drop(self, name: str) -> None:
        """The session is known again."""
        digest, bucket = self._bucket(name)
        at = _position(bucket, digest)
        if at >= 0:
            del bucket[at : at + _ENTRY.size]

    def _bucket(self, name: str) -> tuple[bytes, bytearray]:
        digest = xxh3_64_digest(name.encode("utf-8", "surrogatepass"))
        return digest, self._buckets[digest[0] % BUCKETS]


def _position(bucket: bytearray, digest: bytes) -> int:
    """Where the entry of this hash begins; below 0 if it has no entry."""
    at = bucket.find(digest)
    while at % _ENTRY.size and at >= 0:
        at = bucket.find(digest, at + 1)
    return at
