"""How much KV cache sessions have and need, learned from prompts, answers and the engine's token counts."""

from concur_proxy.admission.arrival import Answered, Arrival
from concur_proxy.admission.cache_use import PART_OF_BLOCK_TOKENS, CacheUse
from concur_proxy.admission.estimates import FootprintEstimator, PrefillSpeed
from concur_proxy.admission.places import Places
from concur_proxy.admission.session import Session
from concur_proxy.admission.ticket import Ticket
from concur_proxy.recognition.chain import Chain
from concur_proxy.recognition.member import Member
from concur_proxy.recognition.node import Match
from concur_proxy.recognition.tree import ConversationTree

ANSWER_IS_KEPT = 0.9
"""The answer counts as part of the next prompt if the segment after the last prompt has at least this share of the
answer's tokens. It has fewer if the client dropped the answer's reasoning.
"""
BEYOND = 1.5
"""A prompt is probably longer than the engine accepts if the estimate is more than this many times too large. Smaller
differences are within the error of an estimate.
"""
MOST_TOKEN_BYTES = 128
"""No tokenizer in use has longer tokens. These are runs of blanks; a token of English has about 4 bytes."""
MOST_PROBED = 8.0
"""The same if nothing is known about the engine: this many times the window with which the law looks for its size."""
HIDDEN_TOKENS = 4_096
"""An engine may put so many tokens before a prompt that the client has not sent: a system prompt in its template."""


class TokenAccounts:
    """One gate's token counts: footprints before an answer, contexts and losses after it."""

    def __init__(self, places: Places) -> None:
        self.estimator = FootprintEstimator()
        self.prefill = PrefillSpeed()
        self.engine_prefill_tokens_s: float | None = None
        """The highest prefill rate that the engine's counters have shown, tokens per second."""
        self.most_tokens: int | None = None
        """The longest context that the engine's model accepts; None if it is not known."""
        self.cache_tokens: int | None = None
        """The size of the engine's cache; None if it is not known."""
        self.window_tokens: float | None = None
        """The window in tokens; None: no limit."""
        self.cache_use = CacheUse()
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
        if chain is None or not chain.hashes:
            return self._bounded(self.estimator.estimate(arrival.body_bytes))
        if chain.continues:
            return self._bounded(self.estimator.reference_tokens + self.estimator.estimate(*chain.text_from(0)))
        match = self._tree.match(chain)
        text, media = chain.text_from(match.length)
        return self._bounded(self._tree.tokens_of(match) + self.estimator.estimate(text, media))

    def certainly_exceeds(self, arrival: Arrival) -> bool:
        """Whether the text of the prompt is longer than the model's context, however it is divided into tokens."""
        chain, most = arrival.chain, self.most_tokens
        if chain is None or most is None or arrival.body_bytes <= MOST_TOKEN_BYTES * most:
            return False
        text, media = chain.text_from(0)
        return not media and text > MOST_TOKEN_BYTES * most

    def expect(self, member: Member, arrival: Arrival) -> int:
        """Account for a new prompt of a member, as far as it is known before the engine has counted it. This sets the
        member's footprint. Returns how many tokens of the prompt should be in the engine's cache if the session has
        kept its place.

        Requests of a member that run at the same time share the history. Each adds only what is new in it.
        """
        chain, is_alone = arrival.chain, member.busy == 0
        kept = float(member.context_tokens or 0)
        if chain is None or not chain.hashes:
            tokens = self.estimator.estimate(arrival.body_bytes)
            if is_alone:
                tokens = max(member.footprint, tokens)
        elif chain.continues:
            before = self.estimator.reference_tokens if member.context_tokens is None else member.context_tokens
            tokens = before + self.estimator.estimate(*chain.text_from(0))
        else:
            match = self._tree.match(chain)
            kept = self._in_common(member, chain, match)
            self._tree.put(member, chain, self.estimator.estimate, match)
            tokens = self._tree.tokens_to(member.leaf)
        if not is_alone:
            tokens = member.footprint + max(0.0, tokens - (member.context_tokens or 0))
        self._weigh(member, tokens)
        member.common_tokens = int(kept)
        if member.cache != self.cache:
            kept = 0.0
        shared = self._places.shared_with_others(member, cache=self.cache)
        return int(max(kept, shared))

    def renew(self, session: Session) -> None:
        """Estimate the prompts of a waiting session again, with what has been learned since they arrived."""
        for member in session.members.values():
            if member.is_live and member.leaf is not None and not member.turns:
                self._weigh(member, self._tree.renew(member, self.estimator.estimate))

    def promise(self, ticket: Ticket, kept_tokens: int) -> None:
        """Note that these tokens of the prompt should be in the cache, because the session has kept its place. They
        count when the answer ends: the engine has counted its cache hits by then, so a request that the engine has not
        begun yet does not look like a loss.
        """
        ticket.cache, ticket.promised_tokens = self.cache, kept_tokens

    def settle(self, ticket: Ticket, answered: Answered, *, now: float) -> None:
        """Account for an answer. This sets the member's footprint, unless the engine did not count tokens.

        A refused request leaves nothing behind: the member's footprint is what it was after the last accepted one.
        """
        member, prompt_tokens, cached_tokens = ticket.member, answered.prompt_tokens, answered.cached_tokens
        if answered.refused:
            if not member.busy and member.context_tokens is not None:
                member.footprint = self._bounded(float(member.context_tokens))
            return
        self._keep_promise(ticket, answered)
        if prompt_tokens is None:
            return
        tokens = prompt_tokens + (answered.completion_tokens or 0)
        self.answered_tokens += tokens
        released_at = ticket.arrived_at if ticket.decided_at is None else ticket.decided_at
        self.answering_s += now - released_at
        if cached_tokens is not None:
            common, last = member.common_tokens, member.prompt_tokens
            self.cache_use.count(prompt=prompt_tokens, cached=cached_tokens, common=common, last_prompt=last)
        if cached_tokens is not None and answered.first_token_s is not None:
            computed = prompt_tokens - cached_tokens
            self.prefill.observe(computed, answered.first_token_s, was_alone=ticket.was_alone)
        is_typical = not member.is_beyond and _is_typical(ticket.arrival, prompt_tokens)
        if is_typical:
            self._learn(member, ticket.arrival, prompt_tokens)
        member.cache = self.cache
        member.round_tokens = max(member.round_tokens, tokens)
        if member.busy:
            member.footprint = max(member.footprint, float(member.round_tokens))
            return
        before, member.context_tokens = member.context_tokens, member.round_tokens
        member.prompt_tokens, member.completion_tokens = prompt_tokens, answered.completion_tokens or 0
        member.round_tokens = 0
        if before is not None and is_typical:
            self.estimator.learn_growth(member.context_tokens - before)
        member.footprint = self._bounded(float(member.context_tokens))

    def _keep_promise(self, ticket: Ticket, answered: Answered) -> None:
        """Count what was promised, and the part that the engine had lost. Nothing is promised if the engine has
        restarted since the last turn.

        An engine that has found the whole last prompt has lost nothing: the rest of the promise was the last answer,
        and the client has sent that in another form, such as without its reasoning.
        """
        promised = ticket.promised_tokens if ticket.cache == self.cache else 0
        if answered.prompt_tokens is None:
            self.promised_tokens += promised if answered.first_token_s is not None else 0
            return
        promised = min(promised, answered.prompt_tokens)  # a compacted history needs less than was cached
        cached, last = answered.cached_tokens, ticket.member.prompt_tokens
        if cached is not None:
            if last is not None and cached >= min(promised, last) - PART_OF_BLOCK_TOKENS:
                promised = min(promised, cached)
            self.told_tokens += promised
            self.lost_tokens += max(0, promised - cached)
        self.promised_tokens += promised

    def _learn(self, member: Member, arrival: Arrival, prompt_tokens: int) -> None:
        """Learn from the engine's count how long texts and media are, and what the prompt's segments add to it."""
        chain, before = arrival.chain, member.context_tokens
        if chain is None or not chain.hashes:
            self.estimator.learn(text_bytes=arrival.body_bytes, prompt_tokens=prompt_tokens)
        elif chain.continues and before is None:
            self.estimator.learn_reference(prompt_tokens - self.estimator.estimate(*chain.text_from(0)))
        elif chain.continues:
            self.estimator.learn_new(*chain.text_from(0), prompt_tokens - (before or 0))
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

    def _weigh(self, member: Member, tokens: float) -> None:
        """Set the footprint of a member with a new prompt from the estimate of its tokens.

        The engine refuses a prompt that it cannot hold, which costs it nothing. So such a prompt does not count.
        """
        member.is_beyond = self._most is not None and tokens > BEYOND * self._most
        member.footprint = float(member.context_tokens or 0) if member.is_beyond else self._bounded(tokens)

    @property
    def _most(self) -> float | None:
        """The longest prompt that the engine can accept, as far as it is known; None: every prompt counts."""
        if self.window_tokens is None:
            return None
        known = [each for each in (self.most_tokens, self.cache_tokens) if each is not None]
        return float(min(known)) if known else MOST_PROBED * self.window_tokens

    def _bounded(self, tokens: float) -> float:
        return tokens if self.most_tokens is None else min(tokens, float(self.most_tokens))


def _is_typical(arrival: Arrival, prompt_tokens: int) -> bool:
    """Whether a count can be true of this prompt, so that something can be learned from it for others. No text has more
    tokens than bytes.
    """
    chain = arrival.chain
    if chain is None or chain.continues:
        return True
    if prompt_tokens <= HIDDEN_TOKENS:
        return True
    text, media = chain.text_from(0)
    return bool(media) or prompt_tokens <= text + HIDDEN_TOKENS
