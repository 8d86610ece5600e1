"""The interface of a queue order: which of the waiting sessions gets the next place.

An order is a plug-in. Its module is `orders/<name>.py` with a function `build()` that makes one, and each engine's gate
has its own. The setting `order` names it.
"""

from collections.abc import Iterator
from typing import Protocol, runtime_checkable

from concur_proxy.admission.session import Session


class QueueOrder(Protocol):
    """The sessions that wait for a place, in the order of their turn.

    An order may read the session's `seniority`, `state`, `model`, `footprint`, `has_lapsed`, `is_preferred`, and its
    waiting requests (`held`) with their `arrival`.

    While a session waits, new requests join it and others time out. This changes `held` and `footprint`, and the order
    is not called. So compute the sort key once, in `join`, and store it: `leave` needs the same key.

    An operator can move a session to the front. Its `is_preferred` is then true: it comes before all sessions without,
    and preferred sessions are ordered by seniority. If the session is in the queue, the gate calls `leave`, gives it a
    new seniority, and calls `join`.

    Every method should cost O(log n) or less: a queue of ten thousand sessions is normal.
    """

    def join(self, session: Session) -> None:
        """Add the session. Joining twice changes nothing."""
        ...

    def leave(self, session: Session) -> None:
        """Remove the session. Nothing happens if it has not joined."""
        ...

    def head(self) -> Session | None:
        """The session that is next, or None."""
        ...

    def first_new(self) -> Session | None:
        """The first session that was never admitted, or None. It has no cache yet, so any engine can take it."""
        ...

    def position(self, session: Session) -> int:
        """The session's place, from 1. For one that has not joined: the place that it would get."""
        ...

    def __len__(self) -> int: ...

    def __contains__(self, session: Session) -> bool: ...

    def __iter__(self) -> Iterator[Session]:
        """All sessions in the order of their turn."""
        ...


@runtime_checkable
class SharingOrder(QueueOrder, Protocol):
    """An order that also learns who has places and what was served, and may ask for places back. An order without these
    methods is a `QueueOrder` only.
    """

    def take(self, session: Session) -> None:
        """The session has got a place. It is not in the queue any more."""
        ...

    def give_up(self, session: Session, *, is_over: bool) -> None:
        """The session has lost its place. `is_over`: it did not need the place any longer; else it was paused although
        it may have gone on.
        """
        ...

    def serve(self, session: Session, *, computed: float, cached: float, generated: float) -> None:
        """A request of the session has ended: tokens of its prompt that the engine computed and found in its cache, and
        tokens of its answer.
        """
        ...

    def must_yield(self, session: Session) -> bool:
        """Whether a session with a place, which has just ended a turn, should give it to the head of the queue. Asked
        only while there is no room for the head.
        """
        ...

    def excess(self, session: Session) -> tuple[float, float]:
        """The session with the largest value pauses first when the window shrinks, and the youngest one if values are
        equal.
        """
        ...

    @property
    def is_shared(self) -> bool:
        """Whether `excess` can differ between sessions with places."""
        ...
