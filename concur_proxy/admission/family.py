"""The members of a session's family: the main agent, its sub-agents, and what is sent under the same name.

A family holds one place. Each member has its own account. A member's cache counts while it is *live*: from its first
request until the agent that started it goes on, which it does when its sub-agents have answered.
"""

from collections.abc import Iterator

from concur_proxy.admission.session import Session
from concur_proxy.recognition.member import Member
from concur_proxy.recognition.whereabouts import Whereabouts

MOST_MEMBERS = 64
"""Remembered members of a session. The oldest ones whose cache is not needed are forgotten."""
MOST_LIVE = 256
"""Beyond this number, the oldest ones without a request are forgotten too, although their cache may still be needed."""


def member_of(session: Session, where: Whereabouts) -> Member:
    """The member that a request belongs to. A new one is not in the session until `begin`."""
    if where.displaced and where.member in session.members:
        side = session.members.pop(where.member)
        side.name, side.is_declared = where.displaced, False
        session.members[side.name] = side
    member = session.members.get(where.member)
    if member is None:
        member = Member(session.key, where.member, where.parent, is_declared=where.is_declared)
    return member


def begin(session: Session, member: Member) -> list[Member]:
    """A member has a new request. The members that it started are at their end if they have none. Returns the members
    that are forgotten.
    """
    session.members.setdefault(member.name, member)
    member.is_live, member.is_done = True, False
    for other in session.members.values():
        if other is not member and other.is_live and not other.busy and _is_at_end(session, other, member):
            release(other)
    if len(session.members) <= MOST_MEMBERS:
        return []
    forgotten = [other for other in session.members.values() if not other.is_live and not other.busy and other.name]
    forgotten = forgotten[: len(session.members) - MOST_MEMBERS]
    excess = len(session.members) - len(forgotten) - MOST_LIVE
    if excess > 0:
        idle = [other for other in session.members.values() if other.is_live and not other.busy and other.name]
        forgotten += [other for other in idle if other is not member][:excess]
    for other in forgotten:
        del session.members[other.name]
    return forgotten


def ancestors(session: Session, member: Member) -> Iterator[Member]:
    """The agents that wait for this one: the one that started it, the one that started that one, and so on."""
    for _ in range(MOST_MEMBERS):
        if not member.name:
            return
        parent = session.members.get(member.parent)
        if parent is None:
            return
        yield parent
        member = parent


def release(member: Member) -> None:
    """The member's cache is not kept for it any longer. When it comes back, its context has to be computed again."""
    member.is_live, member.cache = False, None


def release_idle(session: Session) -> None:
    """The session has no place: only the members that have requests need cache when it gets one."""
    for member in session.members.values():
        if member.is_live and not member.busy:
            release(member)


def is_awaited(session: Session, member: Member) -> bool:
    """Whether an agent that has a request may wait for this member: one that started it, at any depth. If the client
    has not named the member, that may be any other one.
    """
    if not member.is_declared:
        return any(other.busy for other in session.members.values() if other is not member)
    return any(ancestor.busy for ancestor in ancestors(session, member))


def footprint(session: Session) -> float:
    """Sum of the footprints of the live members, tokens."""
    tokens = 0.0
    for member in session.members.values():
        if member.is_live:
            tokens += member.footprint
    return tokens


def _is_at_end(session: Session, other: Member, member: Member) -> bool:
    """Whether `other` was started by `member`, at any depth, or is a side request of the main agent, and `member` is
    the main agent.
    """
    for _ in range(MOST_MEMBERS):
        if not other.name:
            return False
        if other.parent == member.name:
            return True
        parent = session.members.get(other.parent)
        if parent is None:
            return not member.name
        other = parent
    return False
