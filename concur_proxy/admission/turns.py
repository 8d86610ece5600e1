"""The turns of sessions that were never served and whose clients have left: each has it back if it soon comes again."""

from struct import Struct

from xxhash import xxh3_64_digest

from concur_proxy.recognition.conversations import unnumbered

KEPT_S = 60.0
"""A turn is kept for so many seconds."""
MOST = 1 << 17
"""Kept turns. Beyond this number, the oldest ones are lost."""
BUCKETS = 16

_ENTRY = Struct("<8sqd")


class Turns:
    """The seniorities of such sessions, by name. Sessions that the prompt names have one name here if their first
    prompts are equal: the first of them that comes back has the oldest turn.

    The session itself is forgotten at once. Of thousands of clients that leave together, a thousand small objects would
    be left, spread over all the memory that their requests have used, and Python could give back none of it. So a turn
    is 24 bytes of one of a few large blocks.

    A new leader does not get them. A session that the client names keeps its turn all the same if its next request
    comes to the same gateway, which remembers its seniority. Others begin again at the end of the queue.
    """

    def __init__(self) -> None:
        self._buckets = tuple(bytearray() for _ in range(BUCKETS))
        """Entries of a hash of the name, the seniority, and the time until which it is kept; the oldest come first."""

    def keep(self, name: str, seniority: int, now: float) -> None:
        """The session's last client has left."""
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
        bucket, at = self._oldest(name, now)
        return None if at < 0 else int(_ENTRY.unpack_from(bucket, at)[1])

    def drop(self, name: str, now: float) -> None:
        """The session is known again, so that its turn is used up."""
        bucket, at = self._oldest(name, now)
        if at >= 0:
            del bucket[at : at + _ENTRY.size]

    def _oldest(self, name: str, now: float) -> tuple[bytearray, int]:
        """The bucket of the name, and where its oldest entry begins that still counts; below 0 if no entry does."""
        digest, bucket = self._bucket(name)
        at = _position(bucket, digest, 0)
        while at >= 0 and _ENTRY.unpack_from(bucket, at)[2] <= now:
            at = _position(bucket, digest, at + _ENTRY.size)
        return bucket, at

    def _bucket(self, name: str) -> tuple[bytes, bytearray]:
        digest = xxh3_64_digest(unnumbered(name).encode("utf-8", "surrogatepass"))
        return digest, self._buckets[digest[0] % BUCKETS]


def _position(bucket: bytearray, digest: bytes, start: int) -> int:
    """Where the first entry of this hash begins, from `start` on; below 0 without such an entry."""
    at = bucket.find(digest, start)
    while at % _ENTRY.size and at >= 0:
        at = bucket.find(digest, at + 1)
    return at
