"""Series about the engines' answers, as they ended: what they took, with and without the wait, and their tokens."""

from collections.abc import Container
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Histogram

from concur_proxy.telemetry.requests import DURATION_BUCKETS_S
from concur_proxy.wire.usage import Usage

LABELS = ("engine", "model")
UNLISTED = "other"
"""Label of a model that the engine does not list: clients must not make labels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """One whole answer."""

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
        self._known: set[tuple[str, str]] = set()

    def generated(self, engine: str, model: str | None, listed: Container[str] | None, answer: Generation) -> None:
        """An answer has ended well. `model` is as the client named it, `listed` what the engine lists, if it does."""
        labels = (engine, model if model is not None and listed is not None and model in listed else UNLISTED)
        self._known.add(labels)
        self._total.labels(*labels).observe(answer.wait_s + answer.duration_s)
        self._engine.labels(*labels).observe(answer.duration_s)
        if answer.first_token_s is not None:
            self._first.labels(*labels).observe(answer.wait_s + answer.first_token_s)
            self._engine_first.labels(*labels).observe(answer.first_token_s)
        if answer.usage is not None:
            self._prompt.labels(*labels).inc(answer.usage.prompt_tokens)
            self._cached.labels(*labels).inc(answer.usage.cached_tokens or 0)
            self._completion.labels(*labels).inc(answer.usage.completion_tokens)

    def forget(self, engine: str) -> None:
        """The engine is no more: pods come and go by address, and their series would grow without bound."""
        gone = {labels for labels in self._known if labels[0] == engine}
        for family in (self._total, self._engine, self._first, self._engine_first):
            for labels in gone:
                family.remove(*labels)
        for tokens in (self._prompt, self._cached, self._completion):
            for labels in gone:
                tokens.remove(*labels)
        self._known -= gone
