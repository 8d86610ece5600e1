"""How much KV cache sessions have and need, learned from prompts, answers and the engine's token counts."""

from concur_proxy.admission.arrival import Answered, Arrival
from concur_proxy.admission.places import Places
from concur_proxy.admission.session import Session
from concur_proxy.admission.ticket import Ticket
from concur_proxy.recognition.chain import Chain
from concur_proxy.recognition.tree import ConversationTree, Match, Member

ANSWER_IS_KEPT = 0.6
"""The answer counts as part of the next prompt if the segment after the last prompt has at least this share of the
answer's tokens. It has fewer if the client dropped the answer's reasoning.
"""


class TokenAccounts:
    """One gate's token counts: footprints before an answer, contexts and losses after it."""

    def __init__(self, places: Places) -> None:
        self.estimator = FootprintEstimator()
        self.prefill = PrefillSpeed()
        self.engine_prefill_tokens_s: float | None = None
        """The highest prefill rate that the engine's counters have shown, tokens per second."""
        self.most_tokens: int | None = None
        """The longest context that the engine's model accepts; None if it is not known."""
        self.cache = 0
        """How often the engine has restarted with an empty cache."""
        self.answered_tokens = 0
        """Prompt and completion tokens of all answers."""
        self.answering_s = 0.0
        """Seconds from release to end, summed over all answers."""
        self.promised_tokens = 0
        """Context that should have been in the cache when it was needed, in answers that have ended: of sessions that
        came back and had kept their places.
        """
        self.told_tokens = 0
        """The part of `promised_tokens` whose answers reported how much was cached."""
        self.lost_tokens = 0
        """The part of `told_tokens` that the engine had to compute again, because it had evicted it too early."""
        self._places = places

    @property
    def prefill_tokens_s(self) -> float | None:
        """Prompt tokens that the engine can compute in a second: the larger of what its counters and single answers
        show. Counters underestimate it while caches are kept, and single answers underestimate it while the engine is
        busy.
        """
        return max(self.engine_prefill_tokens_s or 0.0, self.prefill.tokens_s or 0.0) or None

    @property
    def _tree(self) -> ConversationTree:
        return self._places.tree

    def guess(self, arrival: Arrival) -> float:
        """Tokens of the prompt of a session that is not known yet."""
        chain = arrival.chain
        if chain is None or not len(chain):
            return self._bounded(self.estimator.estimate(arrival.body_bytes))
        match = self._tree.match(chain)
        text, media = chain.text_from(match.length)
        return self._bounded(self._tree.tokens_of(match) + self.estimator.estimate(text, media))

    def expect(self, member: Member, arrival: Arrival) -> int:
        """Account for a new prompt of a member, as far as it is known before the engine has counted it. This sets the
        member's footprint. Returns how many tokens of the prompt should be in the engine's cache if the session has
        kept its place.

        Requests of a member that run at the same time share the history. Each adds only what is new in it.
        """
        chain, is_alone = arrival.chain, member.busy == 0
        kept = float(member.context_tokens or 0)
        if chain is None or not len(chain):
            tokens = self.estimator.estimate(arrival.body_bytes)
            if is_alone:
                tokens = max(member.footprint, tokens)
        elif chain.continues:
            tokens = (member.context_tokens or 0) + self.estimator.estimate(*chain.text_from(0))
        else:
            match = self._tree.match(chain)
            kept = self._in_common(member, chain, match)
            self._tree.put(member, chain, self.estimator.estimate, match)
            tokens = self._tree.tokens_to(member.leaf)
        if not is_alone:
            tokens = member.footprint + max(0.0, tokens - (member.context_tokens or 0))
        member.footprint = self._bounded(tokens)
        if member.cache != self.cache:
            kept = 0.0
        shared = self._places.shared_with_others(member, cache=self.cache)
        return int(max(kept, shared))

    def renew(self, session: Session) -> None:
        """Estimate the prompts of a waiting session again, with what has been learned since they arrived."""
        for member in session.members.values():
            if member.is_live and member.leaf is not None and not member.turns:
                member.footprint = self._bounded(self._tree.renew(member, self.estimator.estimate))

    def promise(self, ticket: Ticket, kept_tokens: int) -> None:
        """Note that these tokens of the prompt should be in the cache, because the session has kept its place. They
        count when the answer ends: the engine has counted its cache hits by then, so a request that the engine has not
        begun yet does not look like a loss.
        """
        ticket.cache, ticket.promised_tokens = self.cache, kept_tokens

    def settle(self, ticket: Ticket, answered: Answered, *, now: float) -> None:
        """Account for an answer. This sets the member's footprint, unless the engine did not count tokens."""
        member, prompt_tokens, cached_tokens = ticket.member, answered.prompt_tokens, answered.cached_tokens
        # nothing is promised if the engine has restarted since the last turn
        promised = ticket.promised_tokens if ticket.cache == self.cache else 0
        if prompt_tokens is None:
            if answered.first_token_s is not None:
                self.promised_tokens += promised
            return
        promised = min(promised, prompt_tokens)  # a compacted history needs less than was cached
        self.promised_tokens += promised
        tokens = prompt_tokens + (answered.completion_tokens or 0)
        self.answered_tokens += tokens
        released_at = ticket.arrived_at if ticket.decided_at is None else ticket.decided_at
        self.answering_s += now - released_at
        if cached_tokens is not None:
            self.told_tokens += promised
            self.lost_tokens += max(0, promised - cached_tokens)
            if answered.first_token_s is not None:
                self.prefill.observe(prompt_tokens - cached_tokens, answered.first_token_s)
        self._learn(member, ticket.arrival, prompt_tokens)
        member.cache = self.cache
        member.round_tokens = max(member.round_tokens, tokens)
        if member.busy:
            member.footprint = max(member.footprint, float(member.round_tokens))
            return
        before, member.context_tokens = member.context_tokens, member.round_tokens
        member.prompt_tokens, member.completion_tokens = prompt_tokens, answered.completion_tokens or 0
        member.round_tokens = 0
        if before is not None:
            self.estimator.learn_growth(member.context_tokens - before)
        member.footprint = float(member.context_tokens)

    def _learn(self, member: Member, arrival: Arrival, prompt_tokens: int) -> None:
        """Learn from the engine's count how long texts and media are, and what the prompt's segments add to it."""
        chain = arrival.chain
        if chain is None or not len(chain):
            self.estimator.learn(text_bytes=arrival.body_bytes, prompt_tokens=prompt_tokens)
        elif chain.continues:
            self.estimator.learn_new(*chain.text_from(0), prompt_tokens - (member.context_tokens or prompt_tokens))
        elif self._tree.ends_with(member, chain):
            known, text, media = self._tree.uncounted(member)
            self.estimator.learn_new(text, media, prompt_tokens - known)
            self._tree.count(member, prompt_tokens, engine=self._places.engine, cache=self.cache)

    def _in_common(self, member: Member, chain: Chain, match: Match) -> float:
        """Tokens that a prompt has in common with what the member's last answer has left in the cache."""
        leaf = member.leaf
        if leaf is None:
            return float(member.context_tokens or 0)
        if member.prompt_tokens is None or not self._tree.is_inside(leaf, match):
            return self._tree.tokens_in_common(leaf, match)
        new = self.estimator.estimate(*chain.text_from(member.length, 1)) if len(chain) > member.length else 0.0
        is_kept = new >= ANSWER_IS_KEPT * member.completion_tokens
        return float(member.prompt_tokens + (member.completion_tokens if is_kept else 0))

    def _bounded(self, tokens: float) -> float:
        return tokens if self.most_tokens is None else min(tokens, float(self.most_tokens))


class FootprintEstimator:
    """Learns from answers how many tokens text has per byte and a media item has, and by how much a session grows in a
    turn.
    """

    SMOOTHING = 0.1
    """Weight of the newest observation in the moving averages."""
    FIRST_TOKENS_PER_BYTE = 0.4
    """Assumed until the engine has counted tokens. English text has about 0.25; code and other languages have more. If
    the first wave is underestimated it thrashes; if it is overestimated it only waits a moment.
    """
    FIRST_BYTES = 2_000.0
    """Weight of that assumption: a few short requests do not outweigh it, one long request does."""
    FIRST_TOKENS_PER_ITEM = 1_000.0
    """Assumed for an image, audio clip or document until one has been counted."""

    def __init__(self) -> None:
        self._bytes = self.FIRST_BYTES
        self._tokens = self.FIRST_BYTES * self.FIRST_TOKENS_PER_BYTE
        self._item_tokens: float | None = None
        self._growth: float | None = None

    @property
    def tokens_per_byte(self) -> float:
        """Tokens per byte of text over the last requests."""
        return self._tokens / self._bytes

    @property
    def tokens_per_item(self) -> float:
        """Tokens of an image, audio clip or document."""
        return self.FIRST_TOKENS_PER_ITEM if self._item_tokens is None else self._item_tokens

    def growth_tokens(self, footprint: float) -> float:
        """Mean growth of a session's context from one answer to the next, tokens. Every admitted session gets this much
        in reserve: sessions whose footprints fill the whole cache would thrash a turn later.

        Until a growth has been seen it is `footprint`. If it were 0, the whole first wave would be admitted, and most
        of it paused a turn later.
        """
        return footprint if self._growth is None else self._growth

    def estimate(self, text_bytes: int, media: int = 0) -> float:
        """Tokens that so much text and so many media items probably have."""
        return text_bytes * self.tokens_per_byte + media * self.tokens_per_item

    def learn(self, *, text_bytes: int, prompt_tokens: int) -> None:
        """Learn from an answer: the engine counted `prompt_tokens` in a text of `text_bytes`."""
        if text_bytes > 0 and prompt_tokens > 0:
            kept = 1 - self.SMOOTHING
            self._bytes = kept * self._bytes + text_bytes
            self._tokens = kept * self._tokens + prompt_tokens

    def learn_new(self, text_bytes: int, media: int, tokens: float) -> None:
        """Learn from the part of a prompt that was new: the engine counted `tokens` in it. If the part has media items,
        what its text does not explain is theirs.
        """
        if not media:
            self.learn(text_bytes=text_bytes, prompt_tokens=round(tokens))
            return
        each = (tokens - text_bytes * self.tokens_per_byte) / media
        if each > 0:
            before = self._item_tokens
            self._item_tokens = each if before is None else before + self.SMOOTHING * (each - before)

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
