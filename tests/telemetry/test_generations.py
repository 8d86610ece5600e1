import pytest
from prometheus_client import CollectorRegistry

from concur_proxy.telemetry.generations import Generation, GenerationMetrics
from concur_proxy.wire.answer.usage import Usage

USAGE = Usage(prompt_tokens=100, completion_tokens=20, cached_tokens=60)
STREAMED = Generation(wait_s=3.0, duration_s=2.0, first_token_s=0.5, usage=USAGE)
LABELS = {"engine": "a", "model": "m"}


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


def test_an_answer_is_counted_with_and_without_its_wait(registry: CollectorRegistry) -> None:
    GenerationMetrics(registry).generated("a", "m", {"m"}, STREAMED)
    value = registry.get_sample_value
    assert value("concur_generation_duration_seconds_sum", LABELS) == 5.0
    assert value("concur_engine_generation_duration_seconds_sum", LABELS) == 2.0
    assert value("concur_time_to_first_token_seconds_sum", LABELS) == 3.5
    assert value("concur_engine_time_to_first_token_seconds_sum", LABELS) == 0.5
    tokens = [value(f"concur_{kind}_tokens_total", LABELS) for kind in ("prompt", "cached", "completion")]
    assert tokens == [100, 60, 20]


def test_what_is_not_told_is_not_counted(registry: CollectorRegistry) -> None:
    answer = Generation(wait_s=0.0, duration_s=2.0, first_token_s=None, usage=None)
    GenerationMetrics(registry).generated("a", "m", {"m"}, answer)
    assert registry.get_sample_value("concur_generation_duration_seconds_count", LABELS) == 1
    assert not registry.get_sample_value("concur_time_to_first_token_seconds_count", LABELS)
    assert not registry.get_sample_value("concur_prompt_tokens_total", LABELS)


@pytest.mark.parametrize(("model", "listed"), [("mine", {"m"}), ("mine", None), (None, {"m"})])
def test_a_client_cannot_make_a_label(registry: CollectorRegistry, model: str | None, listed: set[str] | None) -> None:
    GenerationMetrics(registry).generated("a", model, listed, STREAMED)
    other = {"engine": "a", "model": "other"}
    assert registry.get_sample_value("concur_generation_duration_seconds_count", other) == 1


def test_the_series_of_an_engine_that_was_given_up_go(registry: CollectorRegistry) -> None:
    metrics = GenerationMetrics(registry)
    unknown = Generation(wait_s=0.0, duration_s=2.0, first_token_s=None, usage=None)
    for engine in ("a", "b"):
        metrics.generated(engine, "m", {"m"}, unknown)
    metrics.forget("a")
    count = "concur_generation_duration_seconds_count"
    assert registry.get_sample_value(count, LABELS) is None
    assert registry.get_sample_value(count, {"engine": "b", "model": "m"}) == 1
