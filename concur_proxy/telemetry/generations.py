"""Series about the engines' answers, as they ended: what they took, with and without the wait, and their tokens."""

from collections.abc import Container
from dataclasses import dataclass

import msgspec
from prometheus_client import CollectorRegistry, Counter, Histogram

from concur_proxy.telemetry.requests import DURATION_BUCKETS_S
from concur_proxy.wire.answer.usage import Usage

LABELS = ("engine", "model")
UNLISTED = "other"
"""Label of a model that the engine does not list: clients must not make labels."""


class Generation(msgspec.Struct, frozen=True, kw_only=True):
    """One whole answer. A msgspec.Struct, as it is made for every one."""

    wait_s: float
    """From the request's arrival to its release."""
    duration_s: float
    """From there to the answer's end."""
    first_token_s: float | None
    """From the release to the first token; None where the answer was not streamed."""
    usage: Usage | None
    """What the engine counted; None where it did not tell."""


class GenerationMetrics:
    """Counters and histograms of answers, by engine and model."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def histogram(name: str, text: str) -> Histogram:
            return Histogram(name, text, LABELS, buckets=DURATION_BUCKETS_S, registry=registry)

        def counter(name: str, text: str) -> Counter:
            return Counter(name, text, LABELS, registry=registry)

        self._total = histogram("concur_generation_duration_seconds", "Arrival to the answer's end, the wait included")
        self._engine = histogram(
            "concur_engine_generation_duration_seconds", "The like, from release: without the wait"
        )
        self._first = histogram("concur_time_to_first_token_seconds", "Arrival to a stream's first token")
        self._engine_first = histogram("concur_engine_time_to_first_token_seconds", "The like, without the wait")
        self._prompt = counter("concur_prompt_tokens", "Prompt tokens of answers, cached ones included")
        self._cached = counter("concur_cached_tokens", "The part of them that the prefix cache held, as engines told")
        self._completion = counter("concur_completion_tokens", "Generated tokens")
        self._series: dict[tuple[str, str], _Series] = {}

    def generated(self, engine: str, model: str | None, listed: Container[str] | None, answer: Generation) -> None:
        """An answer has ended well. `model` is as the client named it, `listed` what the engine lists, if it does."""
        labels = (engine, model if model is not None and listed is not None and model in listed else UNLISTED)
        series = self._series.get(labels)
        if series is None:
            series = self._series[labels] = self._begin(labels)
        series.total.observe(answer.wait_s + answer.duration_s)
        series.engine.observe(answer.duration_s)
        if answer.first_token_s is not None:
            series.first.observe(answer.wait_s + answer.first_token_s)
            series.engine_first.observe(answer.first_token_s)
        if answer.usage is not None:
            series.prompt.inc(answer.usage.prompt_tokens)
            if answer.usage.cached_tokens:
                series.cached.inc(answer.usage.cached_tokens)
            series.completion.inc(answer.usage.completion_tokens)

    def forget(self, engine: str) -> None:
        """The engine is no more: pods come and go by address, and their series would grow without bound."""
        gone = {labels for labels in self._series if labels[0] == engine}
        for family in (self._total, self._engine, self._first, self._engine_first):
            for labels in gone:
                family.remove(*labels)
        for tokens in (self._prompt, self._cached, self._completion):
            for labels in gone:
                tokens.remove(*labels)
        for labels in gone:
            del self._series[labels]

    def _begin(self, labels: tuple[str, str]) -> "_Series":
        return _Series(
            total=self._total.labels(*labels),
            engine=self._engine.labels(*labels),
            first=self._first.labels(*labels),
            engine_first=self._engine_first.labels(*labels),
            prompt=self._prompt.labels(*labels),
            cached=self._cached.labels(*labels),
            completion=self._completion.labels(*labels),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Series:
    """The series of one engine and model: to look each up for every answer costs more than to count it."""

    total: Histogram
    engine: Histogram
    first: Histogram
    engine_first: Histogram
    prompt: Counter
    cached: Counter
    completion: Counter
