"""What must be kept of a session so that another process can go on with it."""

import msgspec

from concur_proxy.admission.session import Session, SessionState


class SessionRecord(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """A session without its requests, as it stood at one moment; encoded without the names, as there are many."""

    key: str
    engine: str
    state: str
    """A `SessionState`'s value."""
    rank: int
    footprint: float
    context_tokens: int | None
    model: str | None
    idle_s: float
    """Seconds since its last request ended, or since it arrived."""
    is_between_steps: bool
    has_lapsed: bool

    @classmethod
    def of(cls, session: Session, engine: str, *, now: float) -> "SessionRecord":
        """The session as it stands; one with requests counts as idle since now."""
        return cls(
            key=session.key,
            engine=engine,
            state=session.state.value,
            rank=session.rank,
            footprint=session.footprint,
            context_tokens=session.context_tokens,
            model=session.model,
            idle_s=now - session.idle_since if session.is_dormant else 0.0,
            is_between_steps=session.is_dormant and session.is_between_steps,
            has_lapsed=session.has_lapsed,
        )

    def session(self, *, rank: int, now: float) -> Session:
        """The session again, idle for as long as it was; `rank` is its own, unless that is taken."""
        session = Session(key=self.key, rank=rank, one_shot=False, now=now - self.idle_s, model=self.model)
        session.state = SessionState(self.state)
        session.footprint = self.footprint
        session.context_tokens = self.context_tokens
        session.is_between_steps = self.is_between_steps
        session.has_lapsed = self.has_lapsed
        return session
