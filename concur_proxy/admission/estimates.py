"""What answers show about prompts in general: tokens per byte and per media item, growth per turn, prefill rate."""


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
    FIRST_REFERENCE_TOKENS = 4_000.0
    """Assumed for what a request only refers to (`previous_response_id`, threads) and the gateway does not know."""

    def __init__(self) -> None:
        self._bytes = self.FIRST_BYTES
        self._tokens = self.FIRST_BYTES * self.FIRST_TOKENS_PER_BYTE
        self._item_tokens: float | None = None
        self._reference_tokens: float | None = None
        self._growth: float | None = None

    @property
    def tokens_per_byte(self) -> float:
        """Tokens per byte of text over the last requests."""
        return self._tokens / self._bytes

    @property
    def tokens_per_item(self) -> float:
        """Tokens of an image, audio clip or document."""
        return self.FIRST_TOKENS_PER_ITEM if self._item_tokens is None else self._item_tokens

    @property
    def reference_tokens(self) -> float:
        """Tokens of the conversation before a prompt that only refers to it, if the gateway does not know it."""
        return self.FIRST_REFERENCE_TOKENS if self._reference_tokens is None else self._reference_tokens

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
        """Learn from an answer: the engine counted `prompt_tokens` in a text of `text_bytes`. No text has more tokens
        than bytes: the server has added the rest, such as a system prompt of its own.
        """
        if 0 < prompt_tokens <= text_bytes:
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
            self._item_tokens = self._smooth(self._item_tokens, each)

    def learn_reference(self, tokens: float) -> None:
        """Learn from an answer: a prompt referred to `tokens` that the gateway did not know."""
        self._reference_tokens = self._smooth(self._reference_tokens, max(0.0, tokens))

    def learn_growth(self, tokens: float) -> None:
        """Learn by how many tokens a session's context grew between two answers. A context that shrank is ignored."""
        if tokens > 0:
            self._growth = self._smooth(self._growth, tokens)

    def _smooth(self, before: float | None, tokens: float) -> float:
        return tokens if before is None else before + self.SMOOTHING * (tokens - before)


class PrefillSpeed:
    """Decaying maximum of the observed prefill rate, tokens per second: the second-highest sample, so that one outlier
    does not count.

    A sample is one answer's computed prompt tokens divided by its time to first token. The sample is too low if the
    request waited for others inside the engine. It is too high if a cache between gateway and engine gave the answer,
    so the highest sample is not trusted. The maximum decays only with samples of requests that did not wait: on a busy
    engine most of them wait, and they do not show that it became slower.

    Single answers show the rate early. They also show it while caches are kept: the engine is then never busy with
    prompts, and its counters do not show the rate.
    """

    LEAST_TOKENS = 256
    """Samples of fewer tokens are ignored: the constant time of an engine step outweighs them."""
    KEPT = 0.999
    """Part of the maximum that is kept from one answer to the next. It halves in 700 answers that did not wait."""

    def __init__(self) -> None:
        self._fastest = 0.0
        self._second = 0.0

    @property
    def tokens_s(self) -> float | None:
        """Tokens per second; None until two answers were seen."""
        return self._second or None

    def observe(self, tokens: int, seconds: float, *, was_alone: bool) -> None:
        """An engine computed `tokens` prompt tokens within `seconds` from the release to the first token. `was_alone`:
        no other request was at the engine at the release, so this one waited for none.
        """
        if tokens < self.LEAST_TOKENS or seconds <= 0:
            return
        speed, kept = tokens / seconds, self.KEPT if was_alone else 1.0
        fastest, second = self._fastest * kept, self._second * kept
        if speed > fastest:
            self._fastest, self._second = speed, fastest
        else:
            self._fastest, self._second = fastest, max(second, speed)
