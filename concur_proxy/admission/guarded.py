"""Placements and queue orders that may fail: a built-in one takes over, so that no request is lost."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from concur_proxy.admission.gate import SessionGate
from concur_proxy.admission.order import QueueOrder, SharingOrder
from concur_proxy.admission.orders.fair import Fair
from concur_proxy.admission.placement import Placement
from concur_proxy.admission.placements.least_pressure import LeastPressure
from concur_proxy.admission.session import Session

OnFailure = Callable[[Exception], None]
Answer = TypeVar("Answer")


class GuardedPlacement:
    """A placement from elsewhere. When it fails, `LeastPressure` chooses. It is asked again for the next session."""

    def __init__(self, placement: Placement, on_failure: OnFailure) -> None:
        """`on_failure` is called with each error."""
        self._placement = placement
        self._on_failure = on_failure
        self._built_in = LeastPressure()

    def choose(self, gates: Sequence[SessionGate], *, key: str, tokens: float) -> SessionGate:
        """The gate that the placement chooses."""
        try:
            chosen = self._placement.choose(gates, key=key, tokens=tokens)
        except Exception as error:  # noqa: BLE001 - a plug-in can raise anything
            self._on_failure(error)
        else:
            if any(chosen is gate for gate in gates):
                return chosen
            self._on_failure(ValueError(f"it chose {chosen!r:.100}, which is none of the gates"))
        return self._built_in.choose(gates, key=key, tokens=tokens)


class GuardedOrder:
    """A queue order from elsewhere. When it fails, `Fair` takes over for good, with the sessions that wait and those
    that have places: what the failed order knows may be wrong by then.
    """

    def __init__(self, order: QueueOrder, on_failure: OnFailure) -> None:
        """`on_failure` is called with the error that ended its service."""
        self._order = order
        self._sharing = order if isinstance(order, SharingOrder) else None
        self._on_failure = on_failure
        self._has_failed = False
        self._waiting: dict[Session, None] = {}
        self._active: dict[Session, None] = {}
        """Sessions with places."""

    @property
    def inner(self) -> QueueOrder:
        """The order that decides now."""
        return self._order

    def __len__(self) -> int:
        return len(self._waiting)

    def __contains__(self, session: Session) -> bool:
        return session in self._waiting

    def __iter__(self) -> Iterator[Session]:
        """All sessions in the order of their turn."""
        return iter(self._ask(list))

    def join(self, session: Session) -> None:
        """Add the session."""
        self._waiting[session] = None
        self._tell(lambda order: order.join(session))

    def leave(self, session: Session) -> None:
        """Remove the session."""
        self._waiting.pop(session, None)
        self._tell(lambda order: order.leave(session))

    def head(self) -> Session | None:
        """The session that is next, or None."""
        return self._ask(lambda order: self._checked(order.head()))

    def first_new(self) -> Session | None:
        """The first session that was never admitted, or None."""
        return self._ask(lambda order: self._checked(order.first_new()))

    def position(self, session: Session) -> int:
        """The session's place, from 1."""
        return self._ask(lambda order: order.position(session))

    # -- sharing: only a sharing order learns these facts

    def take(self, session: Session) -> None:
        """The session has got a place."""
        self._active[session] = None
        self._tell_sharing(lambda order: order.take(session))

    def give_up(self, session: Session, *, is_over: bool) -> None:
        """The session has lost its place."""
        self._active.pop(session, None)
        self._tell_sharing(lambda order: order.give_up(session, is_over=is_over))

    def serve(self, session: Session, *, computed: float, cached: float, generated: float) -> None:
        """A request of the session has ended."""
        self._tell_sharing(lambda order: order.serve(session, computed=computed, cached=cached, generated=generated))

    def must_yield(self, session: Session) -> bool:
        """Whether the session should give its place to the head of the queue."""
        return self._ask_sharing(lambda order: order.must_yield(session), otherwise=False)

    def excess(self, session: Session) -> tuple[float, float]:
        """The session with the largest value pauses first."""
        return self._ask_sharing(lambda order: order.excess(session), otherwise=(0.0, 0.0))

    @property
    def is_shared(self) -> bool:
        """Whether `excess` can differ between sessions with places."""
        return self._ask_sharing(lambda order: order.is_shared, otherwise=False)

    # -- the guard

    def _checked(self, session: Session | None) -> Session | None:
        if session is not None and session not in self._waiting:
            raise ValueError(f"it named {session!r:.100}, which does not wait")
        return session

    def _ask(self, question: Callable[[QueueOrder], Answer]) -> Answer:
        try:
            return question(self._order)
        except Exception as error:  # noqa: BLE001 - a plug-in can raise anything
            self._fall_back(error)
        return question(self._order)

    def _ask_sharing(self, question: Callable[[SharingOrder], Answer], *, otherwise: Answer) -> Answer:
        if self._sharing is None:
            return otherwise
        try:
            return question(self._sharing)
        except Exception as error:  # noqa: BLE001 - as above
            self._fall_back(error)
        return question(self._sharing)

    def _tell(self, fact: Callable[[QueueOrder], None]) -> None:
        """Note the fact before: the built-in order learns it in `_fall_back`."""
        try:
            fact(self._order)
        except Exception as error:  # noqa: BLE001 - as above
            self._fall_back(error)

    def _tell_sharing(self, fact: Callable[[SharingOrder], None]) -> None:
        if self._sharing is None:
            return
        try:
            fact(self._sharing)
        except Exception as error:  # noqa: BLE001 - as above
            self._fall_back(error)

    def _fall_back(self, error: Exception) -> None:
        """Let the built-in order take over. Its own errors are raised."""
        if self._has_failed:
            raise error
        self._has_failed = True
        self._order = self._sharing = fair = Fair()
        for session in self._active:
            fair.take(session)
        for session in self._waiting:
            fair.join(session)
        self._on_failure(error)
