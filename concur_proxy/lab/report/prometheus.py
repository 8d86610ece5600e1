"""What a Prometheus server knows about gateways, for a report without a recording."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import httpx
import msgspec

from concur_proxy.lab.recorded.request import TraceProblem
from concur_proxy.lab.report.measured import MOST_NAMES, MOST_SPANS, OTHERS, WIDTHS_S, Measured, Totals

COUNTERS: Mapping[str, str] = {
    "requests": "concur_queue_wait_seconds_count",
    "sessions": "concur_admissions_total",
    "unrecognised": "concur_unkeyed_requests_total",
    "would_have_waited": "concur_would_hold_total",
    "prompt_tokens": "concur_prompt_tokens_total",
    "cached_tokens": "concur_cached_tokens_total",
    "answer_tokens": "concur_completion_tokens_total",
    "returning_tokens": "concur_promised_tokens_total",
    "recomputed_tokens": "concur_lost_tokens_total",
}
"""The gateway's counter for each number of `Totals`."""
MODEL_COUNTERS: Mapping[str, str] = {
    "requests": "concur_generation_duration_seconds_count",
    "prompt_tokens": "concur_prompt_tokens_total",
    "cached_tokens": "concur_cached_tokens_total",
    "answer_tokens": "concur_completion_tokens_total",
}
HISTOGRAMS: Mapping[str, str] = {
    "waits": "concur_queue_wait_seconds",
    "turns": "concur_generation_duration_seconds",
}
SERVED = "concur_tenant_served_tokens_total"
"""Prompt and answer tokens of each tenant: no other counter is kept by tenant."""
NO_WAIT_S = 0.001
"""The upper bound of the first bucket, whose requests did not wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeRange:
    """The time that is asked for, in seconds since 1970, and its division into spans."""

    began_at: float
    ended_at: float
    width_s: float

    @classmethod
    def before(cls, now: float, since_s: float) -> "TimeRange":
        """At least the last `since_s` seconds, in whole spans."""
        width_s = next((width_s for width_s in WIDTHS_S if since_s <= width_s * MOST_SPANS), WIDTHS_S[-1])
        return cls(began_at=now - math.ceil(since_s / width_s) * width_s, ended_at=now, width_s=width_s)


class PrometheusReader:
    """Adds the increases of a gateway's counters up, by span and by model."""

    def __init__(self, client: httpx.Client, time: TimeRange) -> None:
        """`client` has the server's base URL."""
        self._client = client
        self._time = time
        self._spans: dict[str, Totals] = {}
        self._models: dict[str, Totals] = {}

    def measure(self, source: str) -> Measured:
        """Everything that was measured. Raises `TraceProblem` if the server does not answer or knows no gateway."""
        for name, counter in COUNTERS.items():
            self._count(self._spans, "", name, counter)
        for name, counter in MODEL_COUNTERS.items():
            self._count(self._models, "model", name, counter)
        for name, histogram in HISTOGRAMS.items():
            self._spread(self._spans, "", name, histogram)
        self._spread(self._models, "model", "turns", HISTOGRAMS["turns"])
        totals = Totals()
        for part in self._spans.values():
            totals.merge(part)
        if not totals.requests:
            raise TraceProblem(f"{source} knows of no request in this time: does it scrape a gateway?")
        for part in (totals, *self._spans.values(), *self._models.values()):
            if not totals.cached_tokens:  # the engine does not report them
                part.cached_tokens = part.recomputed_tokens = None
        began = ((float(at) - self._time.width_s, part) for at, part in self._spans.items() if part.requests)
        return Measured(
            source=source,
            began_at=self._time.began_at,
            ended_at=self._time.ended_at,
            has_dates=True,
            totals=totals,
            width_s=self._time.width_s,
            over_time=sorted(began, key=lambda pair: pair[0]),
            by_model=self._models if len(self._models) > 1 else {},
            served_by_tenant=self._served(),
        )

    def _served(self) -> dict[str, float]:
        """The tokens of each tenant, the largest first, or nothing if there is only one tenant."""
        found: dict[str, float] = {}
        for series in self._query(f"sum by (tenant) (increase({SERVED}[{self._time.width_s:.0f}s]))"):
            values = (float(value) for _, value in series.values)
            found[series.metric.get("tenant", "")] = sum(value for value in values if math.isfinite(value))
        ordered = sorted(found.items(), key=lambda pair: -pair[1])
        served = dict(ordered[:MOST_NAMES])
        if len(ordered) > MOST_NAMES:
            served[OTHERS] = served.get(OTHERS, 0.0) + sum(tokens for _, tokens in ordered[MOST_NAMES:])
        return served if len(served) > 1 else {}

    def _count(self, parts: dict[str, Totals], label: str, name: str, counter: str) -> None:
        for part, _, value in self._increases(counter, parts, label):
            setattr(part, name, (getattr(part, name) or 0.0) + value)

    def _spread(self, parts: dict[str, Totals], label: str, name: str, histogram: str) -> None:
        """Read a histogram. Each value counts as its bucket's upper bound, so that "95 % within" is true."""
        buckets: dict[int, tuple[Totals, dict[float, float]]] = {}
        for part, bound, value in self._increases(f"{histogram}_bucket", parts, label, "le"):
            counts = buckets.setdefault(id(part), (part, {}))[1]
            counts[float(bound)] = counts.get(float(bound), 0.0) + value
        for part, counts in buckets.values():
            below, largest = 0.0, 0.0
            for edge, value in sorted(counts.items()):
                largest = largest if math.isinf(edge) else edge
                if value > below:
                    getattr(part, name).add(0.0 if edge <= NO_WAIT_S else largest, value - below)
                    below = value
            getattr(part, name).total = 0.0
        for part, _, value in self._increases(f"{histogram}_sum", parts, label):
            getattr(part, name).total += value

    def _increases(
        self, metric: str, parts: dict[str, Totals], label: str, also: str = ""
    ) -> Iterator[tuple[Totals, str, float]]:
        """The increases of a counter: the part that each belongs to, by `label` or else by its span, the value of the
        label `also`, and the increase.
        """
        labels = ", ".join(name for name in (label, also) if name)
        query = f"sum by ({labels}) (increase({metric}[{self._time.width_s:.0f}s]))"
        for series in self._query(query):
            for at, value in series.values:
                if math.isfinite(float(value)):
                    key = series.metric.get(label, "") if label else repr(at)
                    yield parts.setdefault(key, Totals()), series.metric.get(also, ""), float(value)

    def _query(self, query: str) -> "list[_Series]":
        time = self._time
        parameters = {"query": query, "start": f"{time.began_at + time.width_s:.3f}", "end": f"{time.ended_at:.3f}"}
        url = self._client.base_url
        try:
            response = self._client.get("api/v1/query_range", params={**parameters, "step": f"{time.width_s:.0f}"})
            answer = msgspec.json.decode(response.content, type=_Answer)
        except httpx.HTTPError as error:
            raise TraceProblem(f"{url}: no Prometheus answers: {error}") from error
        except msgspec.DecodeError:
            raise TraceProblem(f"{url}: answered HTTP {response.status_code}, not as Prometheus does") from None
        if answer.data is None:
            raise TraceProblem(f"{url}: {answer.error or answer.status}")
        return answer.data.result


class _Series(msgspec.Struct):
    metric: dict[str, str]
    values: list[tuple[float, str]]


class _Data(msgspec.Struct):
    result: list[_Series]


class _Answer(msgspec.Struct):
    status: str
    data: _Data | None = None
    error: str = ""
