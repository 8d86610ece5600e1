"""The sessions for the next leader. Every worker keeps them, because each of them may be it."""

from collections.abc import Generator, Iterator, Mapping

from concur_proxy.admission.handover import SessionRecord
from concur_proxy.coordination.protocol.messages import decode_records, encode_record

PART_BYTES = 1 << 20
"""So much is sent to a new follower at once. A gateway can know a hundred thousand sessions, of a kilobyte or more."""


class KeptSessions:
    """Encoded records of sessions, by key."""

    def __init__(self) -> None:
        self._records: dict[str, bytes] = {}

    def __contains__(self, key: str) -> bool:
        return key in self._records

    def parts(self) -> Iterator[dict[str, bytes | None]]:
        """All records, in parts of about `PART_BYTES`. Each part has the records as they are when it is taken."""
        part: dict[str, bytes | None] = {}
        size = 0
        for key in list(self._records):
            record = self._records.get(key)
            if record is None:  # the session has ended meanwhile
                continue
            part[key] = record
            size += len(record)
            if size >= PART_BYTES:
                yield part
                part, size = {}, 0
        if part:
            yield part

    def take(self, records: Mapping[str, bytes | None]) -> None:
        """These sessions have changed; None: a session is over."""
        for key, record in records.items():
            if record is None:
                self._records.pop(key, None)
            else:
                self._records[key] = record

    def clear(self) -> None:
        """Forget all: a new leader sends its own."""
        self._records.clear()

    def decoded(self) -> Generator[None, None, list[SessionRecord]]:
        """Decode all records, in steps."""
        decoded: list[SessionRecord] = []
        for record in list(self._records.values()):
            decoded += decode_records(1, record)
            yield
        return decoded


def encoded(records: Mapping[str, SessionRecord | None]) -> dict[str, bytes | None]:
    """The records as `KeptSessions` keeps them."""
    return {key: None if record is None else encode_record(record) for key, record in records.items()}
