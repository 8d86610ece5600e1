"""What sessions have and need in the cache, as far as bytes, answers and the engine's counts tell."""

from concur_proxy.admission.arrival import Answered
from concur_proxy.admission.session import Session
from concur_proxy.admission.ticket import Ticket


class TokenAccounts:
    """One gate's token counts: footprints beforehand, contexts and losses afterwards."""

    def __init__(self) -> None:
        self.estimator = FootprintEstimator()
        self.prefill = PrefillSpeed()
        self.engine_prefill_tokens_s: float | None = None
        """The highest prefill rate that the engine's counters have shown, tokens per second."""
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

    @property
    def prefill_tokens_s(self) -> float | None:
        """Prompt tokens that the engine can compute in a second: the larger of what its counters and single answers
        show. Counters show too little while caches are kept, and single answers while the engine is busy.
        """
        return max(self.engine_prefill_tokens_s or 0.0, self.prefill.tokens_s or 0.0) or None

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


class FootprintEstimator:
    """Learns from answers how many tokens a byte of request makes, and by how much a session grows in a turn."""

    SMOOTHING = 0.1
    """Weight of the newest observation in the moving averages."""
    FIRST_TOKENS_PER_BYTE = 0.4
    """Until an engine has counted: more than English text makes (four bytes a token), as code and other tongues do. A
    first wave taken for too small thrashes, one taken for too large only waits a moment.
    """

    FIRST_BYTES = 2_000.0
    """Weight of that: a few short requests do not outweigh it, one long one does."""

    def __init__(self) -> None:
        self._bytes = self.FIRST_BYTES
        self._tokens = self.FIRST_BYTES * self.FIRST_TOKENS_PER_BYTE
        self._growth: float | None = None

    @property
    def tokens_per_byte(self) -> float:
        """Tokens of the last requests over their bytes."""
        return self._tokens / self._bytes

    def growth_tokens(self, footprint: float) -> float:
        """Mean growth of a session's context from one answer to the next, in tokens; until one was seen, as much as
        `footprint`: a first wave taken for one that does not grow would be let in whole, and paused a turn later.

        It is the reserve that every admitted session is given: footprints summed up to the full capacity thrash a
        turn later.
        """
        return footprint if self._growth is None else self._growth

    def estimate(self, body_bytes: int) -> float:
        """Tokens that a request body of this size will probably occupy."""
        return body_bytes * self.tokens_per_byte

    def learn(self, *, body_bytes: int, prompt_tokens: int) -> None:
        """The engine counted `prompt_tokens` in a request body of `body_bytes`."""
        if body_bytes > 0 and prompt_tokens > 0:
            kept = 1 - self.SMOOTHING
            self._bytes = kept * self._bytes + body_bytes
            self._tokens = kept * self._tokens + prompt_tokens

    def learn_growth(self, tokens: float) -> None:
        """A session's context grew by `tokens` between two answers; a shrunk one (a compacted history) is no growth."""
        if tokens > 0:
            self._growth = tokens if self._growth is None else self._growth + self.SMOOTHING * (tokens - self._growth)


class PrefillSpeed:
    """The most prompt tokens that an engine computed in a second for one request, as two answers agree, slowly
    forgotten.

    An answer that had to wait for others tells less than the engine can do, and hardly any tells more; but one that
    does, as from a cache of whole answers on the way, must not count for hundreds of others. So this is known soon even
    where caches are kept, when an engine's counters never show it busy with prompts.
    """

    LEAST_TOKENS = 256
    """Fewer say nothing: the step's constant time outweighs them."""
    KEPT = 0.999
    """Part that is kept from one answer to the next: half of it after 700."""

    def __init__(self) -> None:
        self._fastest = 0.0
        self._second = 0.0

    @property
    def tokens_s(self) -> float | None:
        """Tokens a second, of the second-fastest answer; None until there were two."""
        return self._second or None

    def observe(self, tokens: int, seconds: float) -> None:
        """An engine computed so many prompt tokens before the first token of an answer, `seconds` after its release."""
        if tokens < self.LEAST_TOKENS or seconds <= 0:
            return
        speed = tokens / seconds
        fastest, second = self._fastest * self.KEPT, self._second * self.KEPT
        if speed > fastest:
            self._fastest, self._second = speed, fastest
        else:
            self._fastest, self._second = fastest, max(second, speed)
