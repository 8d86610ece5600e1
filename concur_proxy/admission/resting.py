"""What is kept only as long as a lease lasts: the places of idle sessions, and the caches of idle agents whose families
are at work.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import NamedTuple, TypeVar

from concur_proxy.admission.gap import Gap
from concur_proxy.admission.lease import Lease
from concur_proxy.admission.session import Session
from concur_proxy.recognition.member import Member


class Rest(NamedTuple):
    """A session, or an agent of a session that is at work, that is idle."""

    session: Session
    member: Member | None
    """None: the whole session."""
    since: float


class Resting:
    """Idle sessions with places, and idle agents of sessions with places, by the kind of gap that they are in.

    Every operation costs O(log n) or less, except `drop`, which costs O(members of the session).
    """

    def __init__(self) -> None:
        self._sessions: dict[Gap, OrderedDict[Session, Rest]] = {kind: OrderedDict() for kind in Gap}
        self._members: dict[Gap, OrderedDict[Member, Rest]] = {kind: OrderedDict() for kind in Gap}
        self._tenants: dict[str, dict[Gap, OrderedDict[Session, Rest]]] = {}
        """The idle sessions of each tenant. There is no entry without a session."""
        self._kinds: dict[Session, Gap] = {}
        """The kind of each idle session."""
        self._kinds_of_members: dict[Member, Gap] = {}

    def rest(self, session: Session) -> None:
        """The session's last request has ended: its lease begins."""
        kind = self._kinds[session] = Gap.after(session.turns)
        rest = self._sessions[kind][session] = Rest(session, None, session.idle_since)
        of_tenant = self._tenants.get(session.tenant)
        if of_tenant is None:
            of_tenant = self._tenants[session.tenant] = {each: OrderedDict() for each in Gap}
        of_tenant[kind][session] = rest

    def rest_member(self, session: Session, member: Member, kind: Gap, *, now: float) -> None:
        """An agent is idle while other requests of its session are in flight: the lease of its cache begins."""
        self.wake_member(member)
        self._kinds_of_members[member] = kind
        self._members[kind][member] = Rest(session, member, now)

    def wake(self, session: Session) -> None:
        """The session is back with a request: its lease ends."""
        kind = self._kinds.pop(session, None)
        if kind is None:
            return
        of_tenant = self._tenants[session.tenant]
        del self._sessions[kind][session], of_tenant[kind][session]
        if not any(of_tenant.values()):
            del self._tenants[session.tenant]

    def wake_member(self, member: Member) -> None:
        """The agent is back, or its cache is not kept any longer."""
        kind = self._kinds_of_members.pop(member, None)
        if kind is not None:
            del self._members[kind][member]

    def drop(self, session: Session) -> None:
        """The session has no place any more."""
        self.wake(session)
        for member in session.members.values():
            self.wake_member(member)

    def next_to_lapse(self, lease: Lease) -> tuple[float, Rest] | None:
        """The lease that ends first, and when; None if no lease runs."""
        ends = (*_first_ends(self._sessions, lease), *_first_ends(self._members, lease))
        return min(ends, key=lambda end: end[0], default=None)

    def next_of_tenants(self, tenants: Iterable[str], lease: Lease) -> tuple[float, Session] | None:
        """The lease of a session of these tenants that ends first, and when; None if none of them has one."""
        resting = (self._tenants[tenant] for tenant in tenants if tenant in self._tenants)
        ends = [(at, rest.session) for rests in resting for at, rest in _first_ends(rests, lease)]
        return min(ends, key=lambda end: end[0], default=None)

    def next_session_to_lapse(self, lease: Lease) -> tuple[float, Rest] | None:
        """The lease of a whole session that ends first, and when; None if no session has one."""
        return min(_first_ends(self._sessions, lease), key=lambda end: end[0], default=None)


T = TypeVar("T")


def _first_ends(rests_by_kind: Mapping[Gap, OrderedDict[T, Rest]], lease: Lease) -> list[tuple[float, Rest]]:
    firsts = ((kind, next(iter(rests.values()), None)) for kind, rests in rests_by_kind.items())
    return [(rest.since + lease.duration_s(kind), rest) for kind, rest in firsts if rest is not None]
