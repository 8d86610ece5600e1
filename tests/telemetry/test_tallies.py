"""What the tallies export is what Prometheus' own counters and histograms export."""

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics, enable_created_metrics
from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder

from concur_proxy.telemetry.tallies import CounterTally, HistogramTally

BUCKETS = (0.001, 0.5, 1, 2.5, 600)
TEXTS = {"c": "Requests", "h_seconds": "Time\nof a request", "alone": "No labels"}
ENCODERS = ("text/plain", "application/openmetrics-text; version=1.0.0")

values = st.one_of(st.sampled_from([0.0, 0.001, 0.5, 1.0, 600.0, 600.1]), st.floats(0.0, 1e4))
engines = st.sampled_from(["a", 'with "quotes"', "ä\n\\"])
counts = st.lists(st.tuples(engines, values, st.sampled_from([None, "t1", "t2"])), max_size=30)


class Client:
    """The same metrics by Prometheus' client."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.counter = Counter("c", TEXTS["c"], ["engine", "model"], registry=registry)
        self.histogram = Histogram("h_seconds", TEXTS["h_seconds"], ["engine"], buckets=BUCKETS, registry=registry)
        self.alone = Counter("alone", TEXTS["alone"], registry=registry)

    def count(self, engine: str, amount: float, trace: str | None) -> None:
        self.counter.labels(engine, "m").inc(round(amount))
        self.histogram.labels(engine).observe(amount, None if trace is None else {"trace_id": trace})
        self.alone.inc()


class Ours:
    """The metrics as tallies."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.counter = CounterTally("c", TEXTS["c"], ["engine", "model"], registry=registry)
        self.histogram = HistogramTally("h_seconds", TEXTS["h_seconds"], ["engine"], buckets=BUCKETS, registry=registry)
        self.alone = CounterTally("alone", TEXTS["alone"], [], registry=registry).of()

    def count(self, engine: str, amount: float, trace: str | None) -> None:
        self.counter.of(engine, "m").value += round(amount)
        self.histogram.of(engine).observe(amount, None if trace is None else {"trace_id": trace})
        self.alone.value += 1


def timeless(registry: CollectorRegistry) -> list[Metric]:
    """All families, with the same time in each sample that has one."""
    families = list(registry.collect())
    for family in families:
        family.samples = [
            sample._replace(
                value=1.0 if sample.name.endswith("_created") else sample.value,
                exemplar=None if sample.exemplar is None else sample.exemplar._replace(timestamp=1.0),
            )
            for sample in family.samples
        ]
    return families


class Collected:
    def __init__(self, registry: CollectorRegistry) -> None:
        self.families = timeless(registry)

    def collect(self) -> list[Metric]:
        return self.families


@given(counts, st.lists(engines, max_size=2))
def test_the_page_is_the_same_as_with_prometheus_own_metrics(
    counted: list[tuple[str, float, str | None]], gone: list[str]
) -> None:
    theirs, ours = Client(), Ours()
    for engine, amount, trace in counted:
        theirs.count(engine, amount, trace)
        ours.count(engine, amount, trace)
    for engine in {each for each in gone if any(each == engine for engine, *_ in counted)}:
        theirs.counter.remove(engine, "m")
        theirs.histogram.remove(engine)
        ours.counter.remove(engine, "m")
        ours.histogram.remove(engine)
    assert timeless(ours.registry) == timeless(theirs.registry)
    for accept in ENCODERS:
        encode, _ = choose_encoder(accept)
        assert encode(Collected(ours.registry)) == encode(Collected(theirs.registry))


def test_the_time_at_which_a_series_began_is_left_out_if_prometheus_client_leaves_it_out() -> None:
    theirs, ours = Client(), Ours()
    for each in (theirs, ours):
        each.count("a", 1.0, None)
    disable_created_metrics()  # type: ignore[no-untyped-call]
    try:
        assert timeless(ours.registry) == timeless(theirs.registry)
    finally:
        enable_created_metrics()  # type: ignore[no-untyped-call]
    assert len(timeless(ours.registry)[0].samples) == 2


def test_only_the_names_that_a_scraper_asks_for_are_exported() -> None:
    ours = Ours()
    ours.count("a", 3.0, None)
    names = {"h_seconds_count", "alone_total"}

    shown = ours.registry.restricted_registry(names).collect()

    assert {sample.name for family in shown for sample in family.samples} == names


def test_a_name_is_exported_once() -> None:
    ours = Ours()
    with pytest.raises(ValueError, match="c_total"):
        Counter("c", "Another", registry=ours.registry)
    with pytest.raises(ValueError, match="Duplicated"):
        CounterTally("c", "Another", [], registry=ours.registry)


def test_a_value_beyond_all_bounds_counts_in_the_infinite_bucket() -> None:
    spread = Ours().histogram.of("a")
    spread.observe(inf)
    assert spread.buckets == [0, 0, 0, 0, 0, 1]
