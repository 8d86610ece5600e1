import re

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from concur_proxy.admission.outcome import Outcome
from concur_proxy.telemetry.requests import BROKEN, DURATION_BUCKETS_S, QUEUE_WAIT_BUCKETS_S, RequestMetrics
from concur_proxy.wire.answer.fault import GatewayFault

PATH = "/v1/chat/completions"


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def metrics(registry: CollectorRegistry) -> RequestMetrics:
    return RequestMetrics(registry)


def test_a_wait_is_counted_by_its_outcome(registry: CollectorRegistry, metrics: RequestMetrics) -> None:
    metrics.waited(Outcome.ADMITTED, 0.0)
    metrics.waited(Outcome.ADMITTED, 3.0)
    metrics.waited(Outcome.HOLD_TIMEOUT, 540.0)
    admitted = {"outcome": "admitted"}
    assert registry.get_sample_value("concur_queue_wait_seconds_count", admitted) == 2
    assert registry.get_sample_value("concur_queue_wait_seconds_sum", admitted) == 3.0
    assert registry.get_sample_value("concur_queue_wait_seconds_bucket", {**admitted, "le": "2.5"}) == 1
    assert registry.get_sample_value("concur_queue_wait_seconds_bucket", {**admitted, "le": "5.0"}) == 2
    assert registry.get_sample_value("concur_queue_wait_seconds_sum", {"outcome": "hold_timeout"}) == 540.0


def test_an_answer_is_counted_by_path_and_status(registry: CollectorRegistry, metrics: RequestMetrics) -> None:
    for code in (200, 200, 503):
        metrics.answered(PATH, code, 0.5)
    value = registry.get_sample_value
    assert value("concur_request_duration_seconds_count", {"path": PATH, "code": "200"}) == 2
    assert value("concur_request_duration_seconds_sum", {"path": PATH, "code": "503"}) == 0.5


def test_failures_and_requests_without_a_key_are_counted(registry: CollectorRegistry, metrics: RequestMetrics) -> None:
    metrics.failed("queue_full")
    metrics.failed("engine_broke_midstream")
    metrics.unkeyed()
    assert registry.get_sample_value("concur_request_failures_total", {"reason": "queue_full"}) == 1
    assert registry.get_sample_value("concur_request_failures_total", {"reason": "engine_broke_midstream"}) == 1
    assert registry.get_sample_value("concur_unkeyed_requests_total") == 1


def test_what_has_not_happened_yet_is_there_as_zero(registry: CollectorRegistry, metrics: RequestMetrics) -> None:
    for outcome in Outcome:
        assert registry.get_sample_value("concur_queue_wait_seconds_count", {"outcome": outcome.value}) == 0
    for reason in (*(fault.code for fault in GatewayFault), *BROKEN):
        assert registry.get_sample_value("concur_request_failures_total", {"reason": reason}) == 0
    assert registry.get_sample_value("concur_unkeyed_requests_total") == 0


def test_the_buckets_reach_from_no_wait_to_the_sdks_time_out() -> None:
    for buckets in (QUEUE_WAIT_BUCKETS_S, DURATION_BUCKETS_S):
        assert list(buckets) == sorted(set(buckets))
        assert buckets[0] <= 0.005
        assert buckets[-1] >= 600


def test_names_and_units_follow_the_conventions(registry: CollectorRegistry, metrics: RequestMetrics) -> None:
    metrics.answered(PATH, 200, 0.5)
    for family in text_string_to_metric_families(generate_latest(registry).decode()):
        if family.name.endswith("_created"):
            continue
        assert re.fullmatch(r"concur_[a-z]+(_[a-z]+)*", family.name)
        assert family.type in {"counter", "histogram"}
        assert (family.type == "histogram") == family.name.endswith("_seconds")
