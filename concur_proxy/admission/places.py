"""The sessions that hold a place in the window."""

from collections.abc import Iterator

from sortedcontainers import SortedDict

from concur_proxy.admission.order import SharingOrder
from concur_proxy.admission.session import Session
from concur_proxy.recognition.member import Member
from concur_proxy.recognition.tree import ConversationTree


class Places:
    """Active sessions by seniority, and the sum of their footprints. Sessions that are about to pause at the end of
    their answer are kept apart: they are *pausing*, the others are *steady*.

    Every operation costs O(log n) or less.
    """

    def __init__(self, tree: ConversationTree, engine: str = "", sharing: SharingOrder | None = None) -> None:
        """`sharing`: the queue order, if it must know who has places."""
        self.tree = tree
        self.engine = engine
        self._sharing = sharing
        self._steady: SortedDict[int, Session] = SortedDict()
        self._pausing: SortedDict[int, Session] = SortedDict()
        self._stopping: SortedDict[int, Session] = SortedDict()
        """The pausing sessions that an operator paused: they pause even if there is room."""
        self._all = Charges(engine)
        self._of_steady = Charges(f"{engine}\0steady")

    def __len__(self) -> int:
        return len(self._steady) + len(self._pausing) + len(self._stopping)

    def __iter__(self) -> Iterator[Session]:
        """Steady sessions first, each part by seniority."""
        for part in (self._steady, self._pausing, self._stopping):
            yield from part.values()

    @property
    def steady(self) -> int:
        """Number of steady sessions."""
        return len(self._steady)

    @property
    def footprint_tokens(self) -> float:
        """KV cache that all sessions with a place need together. What several of them share counts once."""
        return self._all.tokens(self.tree)

    @property
    def separate_tokens(self) -> float:
        """The same if nothing were shared: what several sessions share counts in each of them."""
        return self._all.separate_tokens

    @property
    def steady_tokens(self) -> float:
        """KV cache that the steady sessions need together."""
        return self._of_steady.tokens(self.tree)

    @property
    def pausing_tokens(self) -> float:
        """KV cache that becomes free when the pausing sessions have paused."""
        return self.footprint_tokens - self.steady_tokens

    @property
    def growing(self) -> float:
        """Number of sessions with a place that will probably come back with a longer context."""
        return self._all.growing

    @property
    def steady_growing(self) -> float:
        """The same for the steady sessions."""
        return self._of_steady.growing

    @property
    def pausing(self) -> int:
        """Number of sessions that pause when their answers end, unless there is room for them by then."""
        return len(self._pausing)

    def to_pause(self) -> set[Session]:
        """The sessions that pause when their answers end, except those that were let through for one answer."""
        return {session for session in self._pausing.values() if not session.is_let_through}

    def addition(self, session: Session) -> float:
        """Tokens of KV cache that a session without a place needs in addition to what those with a place have."""
        live = [member for member in session.members.values() if member.is_live]
        return self.tree.unions.addition(live, self._all.group)

    def shared_with_others(self, member: Member, *, cache: int) -> float:
        """Tokens at the start of a member's prompt that another member with a place keeps in the engine's cache."""
        return self.tree.unions.held_in(member, self._all.group, engine=self.engine, cache=cache)

    def take(self, session: Session) -> None:
        """Give the session a place."""
        self._steady[session.seniority] = session
        self._all.add(session, self.tree)
        self._of_steady.add(session, self.tree)
        if self._sharing is not None:
            self._sharing.take(session)

    def give_up(self, session: Session, *, is_over: bool = True) -> None:
        """Take the session's place away. `is_over`: it does not need the place any longer."""
        self._all.remove(session, self.tree)
        if not session.pausing:
            self._of_steady.remove(session, self.tree)
        self._part(session).pop(session.seniority)
        session.pausing = False
        if self._sharing is not None:
            self._sharing.give_up(session, is_over=is_over)

    def measure(self, session: Session) -> None:
        """Count the footprints of the session's members as they are now."""
        self._all.update(session, self.tree)
        if not session.pausing:
            self._of_steady.update(session, self.tree)

    def first_to_pause(self) -> Session:
        """The steady session with the highest seniority number. If tenants share the places, it is one of the tenant
        that is furthest above its share.
        """
        sharing = self._sharing
        youngest: Session = self._steady.peekitem(-1)[1]
        if sharing is None or not sharing.is_shared or youngest.is_preferred:
            return youngest
        others = (session for session in reversed(self._steady.values()) if not session.is_preferred)
        return max(others, key=sharing.excess)

    def start_pausing(self, session: Session) -> None:
        """Mark the session: it pauses at the end of its answer."""
        del self._steady[session.seniority]
        self._pausing[session.seniority] = session
        session.pausing = True
        self._of_steady.remove(session, self.tree)

    def reprieve(self) -> Session:
        """Let the most senior pausing session keep its place."""
        seniority, session = self._pausing.popitem(0)
        self._keep(session, seniority)
        return session

    def stop(self, session: Session) -> None:
        """Mark a session that an operator paused: it pauses at the end of its answer, even if there is room."""
        if not session.pausing:
            self.start_pausing(session)
        self._stopping[session.seniority] = self._pausing.pop(session.seniority)

    def let_go_on(self, session: Session) -> None:
        """Remove the marks of a session that an operator resumed before it paused: it keeps its place."""
        self._keep(self._stopping.pop(session.seniority), session.seniority)

    def reorder(self, session: Session, seniority: int) -> None:
        """Give the session another seniority."""
        part = self._part(session)
        del part[session.seniority]
        session.seniority = seniority
        part[seniority] = session

    def _keep(self, session: Session, seniority: int) -> None:
        session.pausing = False
        self._steady[seniority] = session
        self._of_steady.add(session, self.tree)

    def _part(self, session: Session) -> SortedDict[int, Session]:
        if not session.pausing:
            return self._steady
        return self._stopping if session.stopped else self._pausing


class Charges:
    """What a group of sessions needs together: the union of their members' prompts, and their answers."""

    def __init__(self, group: str) -> None:
        self.group = group
        """The group's name in the conversation tree."""
        self.growing = 0.0
        """Sum of `Session.grows`."""
        self._charged: dict[Session, tuple[float, float]] = {}
        self._sum = 0.0

    def tokens(self, tree: ConversationTree) -> float:
        """The union, in tokens."""
        return max(0.0, self._sum - tree.unions.saved(self.group)) if self._charged else 0.0

    @property
    def separate_tokens(self) -> float:
        """The sum of the members' own needs, tokens."""
        return self._sum

    def add(self, session: Session, tree: ConversationTree) -> None:
        """Add a session."""
        self._charged[session] = (0.0, 0.0)
        self.update(session, tree)

    def update(self, session: Session, tree: ConversationTree) -> None:
        """Count a session of the group as it is now."""
        before, after, group = self._charged[session], (session.footprint, session.grows), self.group
        if after != before:
            self._charged[session] = after
            self._sum += after[0] - before[0]
            self.growing += after[1] - before[1]
        for member in session.members.values():
            if member.is_live == (group in member.groups):
                continue
            if member.is_live:
                tree.unions.charge(member, (group,))
            else:
                tree.unions.uncharge(member, (group,))

    def remove(self, session: Session, tree: ConversationTree) -> None:
        """Remove a session."""
        footprint, grows = self._charged.pop(session)
        self._sum -= footprint
        self.growing -= grows
        for member in session.members.values():
            if self.group in member.groups:
                tree.unions.uncharge(member, (self.group,))
        if not self._charged:
            self._sum = self.growing = 0.0  # rounding errors must not add up
