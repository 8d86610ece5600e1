"""Lists sessions for the admin API: filters, pages, and each session's situation in plain words."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

from concur_proxy.admin.session_schema import (
    MemberStatus,
    SessionFilter,
    SessionList,
    SessionStatus,
    Situation,
    SituationCounts,
)
from concur_proxy.admission.gate import SessionGate
from concur_proxy.admission.session import Session, SessionState
from concur_proxy.control.phrasing import duration
from concur_proxy.recognition.member import Member
from concur_proxy.recognition.tenants import scoped, split_name

MAX_MEMBERS = 20
"""Listed members of one session."""

Found = tuple[SessionGate, Session]


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionLister:
    """Reads sessions from the gates that own them."""

    gates: Callable[[], list[SessionGate]]
    clock: Callable[[], float]

    def page(self, wanted: SessionFilter) -> SessionList | None:
        """One page of the sessions. None if a session is named and nobody has one of this name.

        Every session is looked at once to find and count it. Only those up to the end of the page are put in order, and
        only the rows of the page are described. 100,000 sessions, as many as are remembered by default, take less than
        50 ms.
        """
        gates, now = self.gates(), self.clock()
        if wanted.session_id is not None:
            ordered: Iterable[Found] = self._named(gates, wanted.session_id, wanted.tenant)
            if not ordered:
                return None
            matching = _matching((session for _, session in ordered), wanted)
        else:
            ordered = ((gate, session) for gate in gates for session in gate.in_line())
            matching = _matching((session for gate in gates for session in gate.sessions), wanted)
        counts = Counter(map(situation, matching))
        found = counts[wanted.state] if wanted.state else counts.total()
        pages = max(1, -(-found // wanted.rows))
        page = min(wanted.page, pages)
        start = (page - 1) * wanted.rows
        end = min(start + wanted.rows, found)
        chosen = set(matching)
        listed = (
            (gate, session)
            for gate, session in ordered
            if session in chosen and (not wanted.state or situation(session) == wanted.state)
        )
        return SessionList(
            total=sum(len(gate.sessions) for gate in gates),
            found=found,
            page=page,
            pages=pages,
            counts=SituationCounts(**{str(name): number for name, number in counts.items()}),
            sessions=[session_status(gate, session, now) for gate, session in islice(listed, start, end)],
        )

    def first(self, limit: int) -> list[SessionStatus]:
        """The first sessions of each engine, at most `limit` in total.

        Engines share the limit fairly, so that an engine with many sessions does not hide those of another. The cost
        depends on `limit` only.
        """
        gates, now = self.gates(), self.clock()
        first = [gate.first_sessions(limit) for gate in gates]
        shares = _shares([len(sessions) for sessions in first], limit)
        return [
            session_status(gate, session, now)
            for gate, sessions, share in zip(gates, first, shares, strict=True)
            for session in sessions[:share]
        ]

    def names(self, key: str, tenant: str | None) -> list[str]:
        """The names of the sessions with this key: of one tenant, or of all that have one. If no tenant has one, the
        key may be a sub-agent's: then these are its possible names.
        """
        if key.startswith("\0"):
            return [key]  # a request without a session: it is numbered, and not by tenant
        if tenant is not None:
            return [scoped(tenant, key)]
        gates = self.gates()
        known = {"", *(session.tenant for gate in gates for session in gate.sessions)}
        names = [scoped(each, key) for each in sorted(known)]
        found = [name for name in names if any(gate.sessions.get(name) is not None for gate in gates)]
        return found or names

    def _named(self, gates: list[SessionGate], key: str, tenant: str | None) -> list[Found]:
        names = self.names(key, tenant)
        return [(gate, session) for gate in gates for name in names if (session := gate.sessions.get(name)) is not None]


def situation(session: Session) -> Situation:
    """What a session does now."""
    if session.in_flight:
        return "running"
    if session.stopped:
        return "paused"
    if session.held:
        return "waiting"
    return "between_turns" if session.state is SessionState.ACTIVE else "idle"


def session_status(gate: SessionGate, session: Session, now: float) -> SessionStatus:
    """One session in numbers and words."""
    first = next(iter(session.held), None)
    place = gate.place_of(session)
    expected_s = None if place is None or first is None else gate.expected_wait(first, now=now)[1]
    key, members = split_name(session.key)[1], session.members
    return SessionStatus(
        session_id=key,
        name=shown_name(key),
        tenant=session.tenant,
        engine=gate.engine,
        state=session.state.value,
        situation=situation(session),
        text=_in_words(session, place, expected_s),
        by_hand=session.stopped,
        preferred=session.is_preferred,
        place=place,
        expected_wait_s=None if expected_s is None else round(expected_s, 1),
        footprint_tokens=round(session.footprint),
        turns=session.turns,
        wait_s=0.0 if first is None else round(now - first.arrived_at, 1),
        in_flight=session.in_flight,
        idle_s=round(now - session.idle_since, 1) if session.is_dormant else 0.0,
        model=session.model,
        members_total=len(members),
        members=_members(list(members.values())) if len(members) > 1 else [],
    )


def shown_name(key: str) -> str:
    """A session's name for people."""
    return "(request without a session)" if key.startswith("\0") else key.replace("\0", " · ")


def _matching(sessions: Iterable[Session], wanted: SessionFilter) -> list[Session]:
    """The sessions of the tenant that contain the text that is wanted."""
    tenant, text = wanted.tenant, wanted.search.casefold()
    if tenant is not None:
        sessions = (session for session in sessions if session.tenant == tenant)
    if text:
        # most keys can be ruled out as they are, without the work of showing them
        sessions = (
            session
            for session in sessions
            if text in session.key.casefold() or "\0" in session.key or len(session.members) > 1
        )
        return [session for session in sessions if _contains(session, text)]
    return list(sessions)


def _contains(session: Session, text: str) -> bool:
    name = shown_name(split_name(session.key)[1])
    return text in name.casefold() or any(text in shown_name(member).casefold() for member in session.members)


def _members(members: Sequence[Member]) -> list[MemberStatus]:
    """The main agent, and then the sub-agents, busy ones first."""
    ranked = sorted(members, key=lambda member: (bool(member.name), not member.busy, not member.is_live))
    return [
        MemberStatus(
            name=shown_name(member.name) if member.is_declared or not member.name else f"unnamed {member.name}",
            parent=shown_name(member.parent),
            busy=member.busy,
            turns=member.turns,
            footprint_tokens=round(member.footprint) if member.is_live else 0,
        )
        for member in islice(ranked, MAX_MEMBERS)
    ]


def _in_words(session: Session, place: int | None, expected_s: float | None) -> str:
    if session.in_flight:
        return "running, will pause" if session.stopped else "running"
    if session.stopped:
        return "paused by an operator"
    if place is not None:
        return f"waiting (place {place}{'' if expected_s is None else f', about {duration(expected_s)}'})"
    if session.held:
        return "waiting"
    return "between turns" if session.state is SessionState.ACTIVE else "idle"


def _shares(wanted: Sequence[int], total: int) -> list[int]:
    """Divide the total fairly: small wishes are granted in full, and large ones get equal shares of the rest."""
    shares = [0] * len(wanted)
    left = total
    for done, at in enumerate(sorted(range(len(wanted)), key=wanted.__getitem__)):
        shares[at] = min(wanted[at], left // (len(wanted) - done))
        left -= shares[at]
    return shares
