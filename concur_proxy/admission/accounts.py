"""What sessions have and need in the cache, as far as bytes, answers and the engine's counts tell."""

from concur_proxy.admission.arrival import Answered
from concur_proxy.admission.footprint import FootprintEstimator
from concur_proxy.admission.prefill import PrefillSpeed
from concur_proxy.admission.session import Session
from concur_proxy.admission.ticket import Ticket


class TokenAccounts:
    """One gate's token counts: footprints beforehand, contexts and losses afterwards."""

    def __init__(self) -> None:
        self.estimator = FootprintEstimator()
        self.prefill = PrefillSpeed()
        self.cache = 0
        """How often the engine has started with an empty cache."""
        self.answered_tokens = 0
        """Prompt and completion tokens of all answers."""
        self.answering_s = 0.0
        """Seconds that these took, from release to end, summed up."""
        self.promised_tokens = 0
        """Context that sessions came back to which had kept their places: it should be in the cache."""
        self.told_tokens = 0
        """The like, of requests whose answers told what was cached."""
        self.lost_tokens = 0
        """The part of these that the engine had to compute again: it was evicted too early."""

    def footprint_with(self, session: Session, body_bytes: int) -> float:
        """The session's footprint once another request of this size is with it.

        Requests at the same time share the history, and each adds to it what it has of its own.
        """
        tokens = self.estimator.estimate(body_bytes)
        if session.is_dormant:
            return max(session.footprint, tokens)
        return session.footprint + max(0.0, tokens - (session.context_tokens or 0))

    def promise(self, ticket: Ticket) -> None:
        """A session that kept its place has come back with this request; what went with the engine's last cache is
        promised to nobody.
        """
        session, ticket.cache = ticket.session, self.cache
        ticket.promised_tokens = session.context_tokens or 0 if session.cache == self.cache else 0
        self.promised_tokens += ticket.promised_tokens

    def settle(self, ticket: Ticket, answered: Answered, *, now: float) -> float | None:
        """Count an answer; returns the session's footprint from now on, or None if the engine did not count tokens."""
        session, prompt_tokens, cached_tokens = ticket.session, answered.prompt_tokens, answered.cached_tokens
        if prompt_tokens is None:
            return None
        tokens = prompt_tokens + (answered.completion_tokens or 0)
        self.answered_tokens += tokens
        released_at = ticket.arrived_at if ticket.decided_at is None else ticket.decided_at
        self.answering_s += now - released_at
        if cached_tokens is not None:
            kept = ticket.promised_tokens if ticket.cache == self.cache else 0
            promised = min(kept, prompt_tokens)  # a compacted history needs less than was there
            self.told_tokens += promised
            self.lost_tokens += max(0, promised - cached_tokens)
            if answered.first_token_s is not None:
                self.prefill.observe(prompt_tokens - cached_tokens, answered.first_token_s)
        session.cache = self.cache
        self.estimator.learn(body_bytes=ticket.arrival.body_bytes, prompt_tokens=prompt_tokens)
        session.round_tokens = max(session.round_tokens, tokens)
        if session.in_flight:
            return max(session.footprint, float(session.round_tokens))
        before, session.context_tokens = session.context_tokens, session.round_tokens
        session.round_tokens = 0
        if before is not None:
            self.estimator.learn_growth(session.context_tokens - before)
        return float(session.context_tokens)
