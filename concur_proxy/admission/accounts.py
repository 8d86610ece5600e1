"""How much KV cache sessions have and need, learned from body sizes, answers and the engine's token counts."""

from concur_proxy.admission.arrival import Answered
from concur_proxy.admission.session import Session
from concur_proxy.admission.ticket import Ticket


class TokenAccounts:
    """One gate's token counts: footprints before an answer, contexts and losses after it."""

    def __init__(self) -> None:
        self.estimator = FootprintEstimator()
        self.prefill = PrefillSpeed()
        self.engine_prefill_tokens_s: float | None = None
        """The highest prefill rate that the engine's counters have shown, tokens per second."""
        self.cache = 0
        """How often the engine has restarted with an empty cache."""
        self.answered_tokens = 0
        """Prompt and completion tokens of all answers."""
        self.answering_s = 0.0
        """Seconds from release to end, summed over all answers."""
        self.promised_tokens = 0
        """Context of sessions that came back and had kept their places: it should be in the cache."""
        self.told_tokens = 0
        """The part of `promised_tokens` whose answers reported how much was cached."""
        self.lost_tokens = 0
        """The part of `told_tokens` that the engine had to compute again, because it had evicted it too early."""

    @property
    def prefill_tokens_s(self) -> float | None:
        """Prompt tokens that the engine can compute in a second: the larger of what its counters and single answers
        show. Counters underestimate it while caches are kept, and single answers underestimate it while the engine is
        busy.
        """
        return max(self.engine_prefill_tokens_s or 0.0, self.prefill.tokens_s or 0.0) or None

    def footprint_with(self, session: Session, body_bytes: int) -> float:
        """The session's footprint with one more request of this size.

        Requests of a session that run at the same time share the history. Each adds only what is new in it.
        """
        tokens = self.estimator.estimate(body_bytes)
        if session.is_dormant:
            return max(session.footprint, tokens)
        return session.footprint + max(0.0, tokens - (session.context_tokens or 0))

    def promise(self, ticket: Ticket) -> None:
        """Count the session's context as promised: the session has kept its place, so its context should still be in
        the cache. Nothing is promised if the engine has restarted since the last turn.
        """
        session, ticket.cache = ticket.session, self.cache
        ticket.promised_tokens = session.context_tokens or 0 if session.cache == self.cache else 0
        self.promised_tokens += ticket.promised_tokens

    def settle(self, ticket: Ticket, answered: Answered, *, now: float) -> float | None:
        """Account for an answer. Returns the session's new footprint, or None if the engine did not count tokens."""
        session, prompt_tokens, cached_tokens = ticket.session, answered.prompt_tokens, answered.cached_tokens
        if prompt_tokens is None:
            return None
        tokens = prompt_tokens + (answered.completion_tokens or 0)
        self.answered_tokens += tokens
        released_at = ticket.arrived_at if ticket.decided_at is None else ticket.decided_at
        self.answering_s += now - released_at
        if cached_tokens is not None:
            kept = ticket.promised_tokens if ticket.cache == self.cache else 0
            promised = min(kept, prompt_tokens)  # a compacted history needs less than was cached
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
    """Learns from answers how many tokens a request has per byte, and by how much a session grows in a turn."""

    SMOOTHING = 0.1
    """Weight of the newest observation in the moving averages."""
    FIRST_TOKENS_PER_BYTE = 0.4
    """Assumed until the engine has counted tokens. English text has about 0.25; code and other languages have more. If
    the first wave is underestimated it thrashes; if it is overestimated it only waits a moment.
    """
    FIRST_BYTES = 2_000.0
    """Weight of that assumption: a few short requests do not outweigh it, one long request does."""

    def __init__(self) -> None:
        self._bytes = self.FIRST_BYTES
        self._tokens = self.FIRST_BYTES * self.FIRST_TOKENS_PER_BYTE
        self._growth: float | None = None

    @property
    def tokens_per_byte(self) -> float:
        """Tokens per byte over the last requests."""
        return self._tokens / self._bytes

    def growth_tokens(self, footprint: float) -> float:
        """Mean growth of a session's context from one answer to the next, tokens. Every admitted session gets this much
        in reserve: sessions whose footprints fill the whole cache would thrash a turn later.

        Until a growth has been seen it is `footprint`. If it were 0, the whole first wave would be admitted, and most
        of it paused a turn later.
        """
        return footprint if self._growth is None else self._growth

    def estimate(self, body_bytes: int) -> float:
        """Tokens that a request body of this size probably has."""
        return body_bytes * self.tokens_per_byte

    def learn(self, *, body_bytes: int, prompt_tokens: int) -> None:
        """Learn from an answer: the engine counted `prompt_tokens` in a request body of `body_bytes`."""
        if body_bytes > 0 and prompt_tokens > 0:
            kept = 1 - self.SMOOTHING
            self._bytes = kept * self._bytes + body_bytes
            self._tokens = kept * self._tokens + prompt_tokens

    def learn_growth(self, tokens: float) -> None:
        """Learn by how many tokens a session's context grew between two answers. A context that shrank is ignored."""
        if tokens > 0:
            self._growth = tokens if self._growth is None else self._growth + self.SMOOTHING * (tokens - self._growth)


class PrefillSpeed:
    """Decaying maximum of the observed prefill rate, tokens per second: the second-highest sample, so that one outlier
    does not count.

    A sample is one answer's computed prompt tokens divided by its time to first token. The sample is too low if the
    request waited for others inside the engine. It is too high if a cache between gateway and engine gave the answer,
    so the highest sample is not trusted.

    Single answers show the rate early. They also show it while caches are kept: the engine is then never busy with
    prompts, and its counters do not show the rate.
    """

    LEAST_TOKENS = 256
    """Samples of fewer tokens are ignored: the constant time of an engine step outweighs them."""
    KEPT = 0.999
    """Part of the maximum that is kept from one answer to the next. It halves in 700 answers."""

    def __init__(self) -> None:
        self._fastest = 0.0
        self._second = 0.0

    @property
    def tokens_s(self) -> float | None:
        """Tokens per second; None until two answers were seen."""
        return self._second or None

    def observe(self, tokens: int, seconds: float) -> None:
        """An engine computed `tokens` prompt tokens within `seconds` from the release to the first token."""
        if tokens < self.LEAST_TOKENS or seconds <= 0:
            return
        speed = tokens / seconds
        fastest, second = self._fastest * self.KEPT, self._second * self.KEPT
        if speed > fastest:
            self._fastest, self._second = speed, fastest
        else:
            self._fastest, self._second = fastest, max(second, speed)
