"""Finds the sessions of requests that do not name them, by their prompts: the longest prefix wins."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(slots=True, eq=False)
class _Session:
    number: int
    ids: "array[int]"
    tokens: int
    at: float


class Sessions:
    """Finds the sessions of requests by their prompts."""

    def __init__(self) -> None:
        self._count = 0
        self._ends: dict[int, list[_Session]] = {}
        """Sessions by the last whole block of their last prompt."""
        self._seen: set[int] = set()
        self._shared: set[int] = set()
        """Blocks after which different sessions went on differently from their start, as after a system prompt."""

    def find(self, ids: "array[int]", tokens: int, at: float) -> tuple[int, int]:
        """The number of the session that sends this prompt, and how many of its blocks the session had before.

        `ids` are the prompt's whole blocks. Requests come in the order of their arrival.
        """
        for length in range(len(ids), 0, -1):
            last = ids[length - 1]
            if last in self._shared:
                break
            for session in self._ends.get(last, ()):
                if session.tokens < tokens and session.at < at and session.ids == ids[:length]:
                    self._ends[last].remove(session)
                    self._keep(session, ids, tokens, at)
                    return session.number, length
        known = self._known(ids)
        if known < len(ids):
            self._shared.update(ids[:known])
        self._count += 1
        self._keep(_Session(self._count, ids, tokens, at), ids, tokens, at)
        return self._count, 0

    def _known(self, ids: Sequence[int]) -> int:
        return next((number for number, each in enumerate(ids) if each not in self._seen), len(ids))

    def _keep(self, session: _Session, ids: "array[int]", tokens: int, at: float) -> None:
        session.ids, session.tokens, session.at = ids, tokens, at
        self._seen.update(ids)
        if ids:
            self._ends.setdefault(ids[-1], []).append(session)
