"""The gaps between turns: what the lease learns from, and which sessions and agents are idle under a lease."""

from concur_proxy.admission.gap import Gap
from concur_proxy.admission.lease import Lease
from concur_proxy.admission.resting import Resting
from concur_proxy.admission.session import Session, SessionState
from concur_proxy.recognition.member import Member


class Gaps:
    """Begins and ends the gaps of one gate's sessions and of their agents."""

    def __init__(self, lease: Lease, resting: Resting) -> None:
        self._lease = lease
        self._resting = resting

    def begin(self, session: Session, now: float) -> None:
        """The session is idle after an answer."""
        session.gap = self._lease.begin_gap(Gap.after(session.turns), now=now)

    def end(self, session: Session, now: float, *, came_back: bool) -> None:
        """The session is not idle between two turns any more, if it was: it is back, or it ends."""
        if session.gap is not None:
            self._lease.end_gap(session.gap, now=now, came_back=came_back)
            session.gap = None

    def rest_member(self, session: Session, member: Member, now: float) -> None:
        """The agent's last request has ended while others of its session are in flight: it is idle. It may be a
        sub-agent that has finished its work, which clients do not report.
        """
        member.turn_gap = self._lease.begin_gap(Gap.AGENT, now=now)
        self._resting.rest_member(session, member, Gap.AGENT, now=now)

    def wait_for_sub_agents(self, session: Session, member: Member, now: float) -> None:
        """The agent is idle and waits for a sub-agent that has a request."""
        member.gap = self._lease.begin_gap(Gap.SUB_AGENTS, now=now)
        if session.state is SessionState.ACTIVE and member.is_live:
            self._resting.rest_member(session, member, Gap.SUB_AGENTS, now=now)

    def end_of(self, member: Member, now: float, *, came_back: bool) -> None:
        """The agent does not wait for its sub-agents any more, or is not between two turns any more, if it was."""
        self._resting.wake_member(member)
        if member.turn_gap is not None:
            self.end_turn(member, now, came_back=came_back)
        if member.gap is not None:
            self._lease.end_gap(member.gap, now=now, came_back=came_back)
            member.gap = None

    def end_turn(self, member: Member, now: float, *, came_back: bool) -> None:
        """The agent is not between two turns any more, if it was. It may still be idle."""
        if member.turn_gap is not None:
            self._lease.end_gap(member.turn_gap, now=now, came_back=came_back)
            member.turn_gap = None
