"""A queue in which a tenant holds at most so many places."""

from collections import Counter, OrderedDict
from collections.abc import Callable, Collection, Iterator
from itertools import islice

from concur_proxy.admission.arrival import Answered, Arrival
from concur_proxy.admission.order import QueueOrder
from concur_proxy.admission.session import Session
from concur_proxy.admission.session_table import SessionTable
from concur_proxy.admission.waits import Waits

MOST_REFUSED = 3
"""A tenant whose last requests, this many, were all refused by the engine gets one place at a time. Its credential is
probably not valid.
"""
MOST_TENANTS = 10_000
"""Remembered tenants with limits, and remembered tenants with refused requests."""


class Bounded:
    """Puts the bounds of tenants on a queue order. A session whose tenant has all its places is blocked when it
    becomes the head: the sessions behind it pass. It returns when its tenant may have another place.
    """

    def __init__(
        self, order: QueueOrder, sessions: SessionTable, is_enforcing: Callable[[], bool], *, keeps_waits: bool = True
    ) -> None:
        """While `is_enforcing` is false, no session is blocked. `keeps_waits`: whether `waits` is needed."""
        self.order = order
        """The order of the sessions that are not blocked, to read."""
        self.waits = Waits()
        """The same sessions by how long they have waited, to read; empty if it is not needed."""
        self._keeps_waits = keeps_waits
        self._sessions = sessions
        self._is_enforcing = is_enforcing
        self._waiting: Counter[str] = Counter()
        self._blocked: dict[str, dict[Session, None]] = {}
        """The blocked sessions by tenant. There is no entry without a session."""
        self._most: OrderedDict[str, int] = OrderedDict()
        """The most places of each tenant that has such a limit."""
        self._refused: OrderedDict[str, int] = OrderedDict()
        """How many requests of a tenant were refused since the last one that was accepted."""

    # -- the bounds

    def meet(self, arrival: Arrival) -> None:
        """A request has arrived: it says how many places its tenant may have."""
        if arrival.max_active is not None:
            _remember(self._most, arrival.tenant, arrival.max_active)
        elif self._most:
            self._most.pop(arrival.tenant, None)

    def learn(self, session: Session, answered: Answered) -> None:
        """A request of the session has ended."""
        tenant = session.tenant
        if answered.refused:
            _remember(self._refused, tenant, self._refused.get(tenant, 0) + 1)
        elif answered.first_token_s is not None and self._refused.pop(tenant, None) is not None:
            self._sessions.freed.add(tenant)

    def is_full(self, arrival: Arrival) -> bool:
        """Whether no further session of the request's tenant may wait."""
        return arrival.max_waiting is not None and self._waiting[arrival.tenant] >= arrival.max_waiting

    def may_have_place(self, session: Session) -> bool:
        """Whether the session's tenant may have another place. An operator's preference counts more than its limit."""
        return session.is_preferred or self._free(session.tenant) > 0 or not self._is_enforcing()

    @property
    def waiting_by_tenant(self) -> dict[str, int]:
        """How many sessions of each tenant wait."""
        return self._waiting

    @property
    def blocked(self) -> int:
        """Number of blocked sessions."""
        return sum(map(len, self._blocked.values()))

    @property
    def blocked_tenants(self) -> Collection[str]:
        """The tenants of the blocked sessions."""
        return self._blocked.keys()

    def _free(self, tenant: str) -> int:
        """How many more places the tenant may have."""
        most = self._most.get(tenant, MOST_TENANTS)
        if self._refused.get(tenant, 0) >= MOST_REFUSED:
            most = 1
        return most - self._sessions.active_of(tenant)

    def _return(self) -> None:
        """Let sessions return whose tenants may have another place."""
        freed = set(self._blocked) if not self._is_enforcing() else self._sessions.freed & self._blocked.keys()
        self._sessions.freed.clear()
        for tenant in freed:
            blocked = self._blocked[tenant]
            count = max(0, self._free(tenant)) if self._is_enforcing() else len(blocked)
            for session in list(islice(blocked, count)):
                del blocked[session]
                self._enter(session)
            if not blocked:
                del self._blocked[tenant]

    # -- the queue

    def nobody_waits(self) -> bool:
        """Whether no session waits, blocked ones included. A place that has become free is then nobody's."""
        if self._waiting:
            return False
        self._sessions.freed.clear()
        return True

    def head(self) -> Session | None:
        """The session that is next, or None."""
        self._return()
        while (session := self.order.head()) is not None:
            if self.may_have_place(session):
                break
            self._block(session)
        return session

    def longest_waiting(self) -> tuple[float, Session] | None:
        """The session that has waited longest, and since when, whatever its place; or None."""
        self._return()
        while (longest := self.waits.first()) is not None:
            if self.may_have_place(longest[1]):
                break
            self._block(longest[1])
        return longest

    def first_new(self) -> Session | None:
        """The first session that was never admitted, or None."""
        return self.order.first_new()

    def join(self, session: Session) -> None:
        """Add the session. Joining twice changes nothing."""
        if session not in self:
            self._waiting[session.tenant] += 1
            self._enter(session)

    def leave(self, session: Session) -> None:
        """Remove the session. Nothing happens if it has not joined."""
        if session not in self:
            return
        tenant = session.tenant
        self._waiting[tenant] -= 1
        if not self._waiting[tenant]:
            del self._waiting[tenant]
        blocked = self._blocked.get(tenant, {})
        if session not in blocked:
            self._exit(session)
            return
        del blocked[session]
        if not blocked:
            del self._blocked[tenant]

    def _block(self, session: Session) -> None:
        self._exit(session)
        self._blocked.setdefault(session.tenant, {})[session] = None

    def _enter(self, session: Session) -> None:
        self.order.join(session)
        if self._keeps_waits:
            self.waits.join(session)

    def _exit(self, session: Session) -> None:
        self.order.leave(session)
        if self._keeps_waits:
            self.waits.leave(session)

    def position(self, session: Session) -> int:
        """The session's place, from 1. For one that has not joined: the place that it would get. Blocked sessions
        come last.
        """
        blocked = self._blocked.get(session.tenant, {})
        if session not in blocked:
            return self.order.position(session)
        return len(self.order) + list(blocked).index(session) + 1

    def __len__(self) -> int:
        """Number of sessions in the queue, without blocked ones."""
        return len(self.order)

    def __contains__(self, session: Session) -> bool:
        return session in self.order or session in self._blocked.get(session.tenant, {})

    def __iter__(self) -> Iterator[Session]:
        """All sessions in the order of their turn, and then the blocked ones."""
        yield from self.order
        for blocked in self._blocked.values():
            yield from blocked


def _remember(numbers: OrderedDict[str, int], tenant: str, number: int) -> None:
    numbers[tenant] = number
    numbers.move_to_end(tenant)
    if len(numbers) > MOST_TENANTS:
        numbers.popitem(last=False)
