from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from concur_proxy import plugins
from concur_proxy.engines.exposition import read_exposition
from concur_proxy.lab.engine.engine import EngineModel
from concur_proxy.lab.engine.request import EngineRequest
from concur_proxy.lab.server.options import FLAVOURS, EmulatorOptions

CAPTURES = Path(__file__).parents[2] / "captures"


def worked(options: EmulatorOptions) -> EngineModel:
    """An engine that has answered one request twice, has a third in its batch, and has evicted and preempted."""
    model = EngineModel(options.shape)
    for name in "aab":
        keys = tuple((name, at) for at in range(3))
        model.add(EngineRequest(keys=keys, prompt_tokens=40, output_tokens=8))
        while name == "a" and model.begin_step() is not None:
            model.end_step()
    model.begin_step()
    model.counters.preemptions = 2
    model.cache.evicted = 3
    return model


def expose(flavour: str, model: EngineModel, options: EmulatorOptions) -> str:
    """The text of a scrape long after the last step: gauges that are refreshed late are up to date by then."""
    metrics = plugins.load(FLAVOURS, flavour)(model, options, 0)

    class One(Collector):
        def collect(self) -> object:  # type: ignore[override]
            return metrics.collect(1e6)

    registry = CollectorRegistry()
    registry.register(One())
    return generate_latest(registry).decode()


@pytest.mark.parametrize("flavour", plugins.available(FLAVOURS))
def test_the_gateway_reads_what_the_engine_is(flavour: str) -> None:
    options = EmulatorOptions(flavour=flavour, capacity_tokens=160)
    model = worked(options)
    kind = plugins.load(plugins.ENGINE_KINDS, flavour)()
    exposition = read_exposition(expose(flavour, model, options), kind.wants)
    assert kind.recognises(exposition)
    sample = kind.read(exposition, at=1.0)
    assert (sample.running, sample.waiting, sample.capacity_tokens) == (1, 0, 160)
    assert sample.kv_usage == pytest.approx(0.3)
    assert (sample.prefix_queries, sample.prefix_hits, sample.preemptions) == (120.0, 32.0, 2.0)


@pytest.mark.parametrize("flavour", plugins.available(FLAVOURS))
def test_each_series_has_the_name_and_labels_of_the_real_engine(flavour: str) -> None:
    options = EmulatorOptions(flavour=flavour, capacity_tokens=160)
    (capture,) = CAPTURES.glob(f"{flavour}-*.prom")
    real = {
        sample.name: set(sample.labels)
        for family in text_string_to_metric_families(capture.read_text())
        for sample in family.samples
    }
    # SGLang leaves a counter out until its first event, which the captured server had not seen
    real.setdefault("sglang:num_retracted_requests_total", real.get("sglang:num_running_reqs", set()))
    for family in text_string_to_metric_families(expose(flavour, worked(options), options)):
        for sample in family.samples:
            assert sample.name in real
            assert set(sample.labels) <= real[sample.name], sample.name


def test_sglang_leaves_out_what_has_not_happened() -> None:
    options = EmulatorOptions(flavour="sglang")
    text = expose("sglang", EngineModel(options.shape), options)
    assert "retracted" not in text
    assert "evicted_tokens" not in text
