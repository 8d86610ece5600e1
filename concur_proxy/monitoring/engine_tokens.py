"""What is known about one engine's tokens: the size of its cache, its longest context, and which counts can be true."""

import logging
from dataclasses import replace

from concur_proxy.admission.snapshot import GateSnapshot
from concur_proxy.engines.capacity import Capacity, CapacityCheck, CapacitySource
from concur_proxy.engines.sample import EngineSample, IntervalRates
from concur_proxy.wire.answer.usage import Usage, plausible

logger = logging.getLogger(__name__)

UNTOLD = 20
"""Answers without a number of cached tokens that show that the engine does not report it."""


class EngineTokens:
    """Checks the token counts of an engine: those in its metrics, and those in its answers."""

    def __init__(self, engine: str, *, capacity_tokens: int | None = None) -> None:
        """`capacity_tokens` is the size of its cache if an operator has set it."""
        self.capacity: Capacity | None = None
        """The size of its cache, and where that number comes from; None until its metrics were read."""
        self.max_model_len: int | None = None
        """The longest context that it accepts, in tokens; None while that is unknown."""
        self.counts_transferred = False
        """Whether cached tokens in answers include those that came from a prefill server, so that they do not show
        what was computed again.
        """
        self.usage_dropped = 0
        """Answers with token counts that cannot be true."""
        self._engine = engine
        self._check = CapacityCheck(capacity_tokens)
        self._newest: IntervalRates | None = None
        self._is_derived = False
        self._ended = 0
        self._has_told = False
        self._untold = 0

    def on_sample(self, rates: IntervalRates, sample: EngineSample, gate: GateSnapshot) -> IntervalRates:
        """The metrics were read. Returns the rates with the size of the cache that the gateway uses."""
        self._check.observe(
            rates,
            is_derived=sample.capacity_is_derived,
            in_flight=gate.in_flight,
            answered=gate.answered_tokens + self._ended,
            union=gate.footprint_tokens / gate.separate_tokens if gate.separate_tokens else 1.0,
        )
        before, self._newest, self._is_derived = self.capacity, rates, sample.capacity_is_derived
        self.capacity = self._check.judge(
            rates.capacity_tokens,
            is_derived=sample.capacity_is_derived,
            most_tokens=self.max_model_len,
            ranks=sample.ranks,
        )
        if self.capacity.differs and (before is None or before.source is not self.capacity.source):
            self._log(self.capacity)
        return replace(rates, capacity_tokens=self.capacity.tokens)

    def on_usage(self, usage: Usage | None, *, first_token_at: float | None, is_batch: bool) -> Usage | None:
        """A request at the engine has ended. `usage` is what its answer said, and `first_token_at` is when its first
        token came. A batch has several prompts, whose tokens are added up.

        Returns the counts that can be true.
        """
        self._ended += 1
        if usage is None:
            return None
        self._has_told |= usage.cached_tokens is not None
        self._untold += usage.cached_tokens is None
        counted = plausible(usage, max_model_len=None if is_batch else self._longest)
        if counted != usage:
            if not self.usage_dropped:
                logger.warning("engine %s: dropped token counts that cannot be true: %s", self._engine, usage)
            self.usage_dropped += 1
        if counted is not None and self.counts_transferred:
            counted = replace(counted, cached_tokens=None)
        if counted is not None and not is_batch:
            self._check.answered(counted.prompt_tokens)
            if first_token_at is not None:
                self._check.ended(counted.prompt_tokens, first_token_at=first_token_at)
        return counted

    @property
    def lacks_cached(self) -> bool:
        """Whether answers do not report cached tokens, although the engine's metrics show that its cache has hits.

        One answer does not show it: vLLM also leaves the number out where it is 0.
        """
        hit_rate = None if self._newest is None else self._newest.hit_rate
        return self._untold >= UNTOLD and not self._has_told and bool(hit_rate)

    @property
    def _longest(self) -> int | None:
        """The most tokens that a context can have: what the model accepts, else what the cache holds."""
        capacity = self.capacity
        if self.max_model_len is not None or capacity is None or self._is_derived:
            return self.max_model_len
        return capacity.tokens if capacity.source is CapacitySource.REPORTED else None

    def _log(self, capacity: Capacity) -> None:
        why = "set by capacity_tokens" if capacity.source is CapacitySource.SET else "seen in its KV usage and answers"
        logger.info(
            "engine %s: its cache holds %s tokens (%s); its metrics say %s",
            self._engine,
            capacity.tokens,
            why,
            capacity.reported,
        )
