import re
from collections.abc import Callable

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from concur_proxy.admission.outcome import Outcome
from concur_proxy.telemetry.events import Attempt, RequestEvents, RequestRecord
from concur_proxy.telemetry.requests import BROKEN, DURATION_BUCKETS_S, WAIT_BUCKETS_S, RequestMetrics
from concur_proxy.wire.answer.fault import GatewayFault
from concur_proxy.wire.answer.usage import Usage

PATH = "/v1/chat/completions"
USAGE = Usage(prompt_tokens=100, completion_tokens=20, cached_tokens=60)
LABELS = {"engine": "a", "model": "m"}


class Counted:
    """The metrics of requests that a test reports."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.events = RequestEvents()
        self.metrics = RequestMetrics(self.registry)
        self.metrics.subscribe(self.events)

    def tell(self, moment: str, record: RequestRecord) -> None:
        subscribers: list[Callable[[RequestRecord], None]] = getattr(self.events, moment)
        for hear in subscribers:
            hear(record)

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)


@pytest.fixture
def counted() -> Counted:
    return Counted()


def ended(*attempts: Attempt, status: int | None = 200, **more: object) -> RequestRecord:
    facts: dict[str, object] = {"route": PATH, "is_received": True, "is_stream": True, "model": "m", **more}
    record = RequestRecord(method="POST", status=status, began_at=10.0, ended_at=10.5, attempts=list(attempts))
    for name, value in facts.items():
        setattr(record, name, value)
    return record


def whole(engine: str = "a", **more: object) -> Attempt:
    """An attempt that waited for 3 s, had its first token 0.5 s later and ended after 2 s."""
    attempt = Attempt(
        arrived_at=100.0, outcome=Outcome.ADMITTED, wait_s=3.0, engine=engine, listed={"m"}, usage=USAGE, is_whole=True
    )
    attempt.first_token_at, attempt.ended_at = 103.5, 105.0
    for name, value in more.items():
        setattr(attempt, name, value)
    return attempt


def test_a_wait_is_counted_by_its_outcome_when_it_ends(counted: Counted) -> None:
    waits = [(Outcome.ADMITTED, 0.0), (Outcome.ADMITTED, 3.0), (Outcome.HOLD_TIMEOUT, 540.0)]
    for outcome, seconds in waits:
        counted.tell("waited", ended(Attempt(arrived_at=0.0, outcome=outcome, wait_s=seconds)))
    assert counted.value("concur_queue_wait_seconds_count", outcome="admitted") == 2
    assert counted.value("concur_queue_wait_seconds_sum", outcome="admitted") == 3.0
    assert counted.value("concur_queue_wait_seconds_bucket", outcome="admitted", le="2.5") == 1
    assert counted.value("concur_queue_wait_seconds_bucket", outcome="admitted", le="5.0") == 2
    assert counted.value("concur_queue_wait_seconds_sum", outcome="hold_timeout") == 540.0


def test_an_admitted_requests_wait_is_counted_at_its_engine_until_that_is_gone(counted: Counted) -> None:
    for engine, outcome in (("a", Outcome.ADMITTED), ("b", Outcome.ADMITTED), ("b", Outcome.HOLD_TIMEOUT)):
        counted.tell("waited", ended(Attempt(arrived_at=0.0, outcome=outcome, wait_s=3.0, engine=engine)))
    assert counted.value("concur_engine_queue_wait_seconds_sum", engine="a") == 3.0
    assert counted.value("concur_engine_queue_wait_seconds_count", engine="b") == 1
    counted.metrics.forget("a")
    assert counted.value("concur_engine_queue_wait_seconds_count", engine="a") is None
    assert counted.value("concur_engine_queue_wait_seconds_count", engine="b") == 1


def test_a_traced_request_is_an_exemplar_of_its_buckets(counted: Counted) -> None:
    traced = ended(whole(), trace_id="0af7651916cd43dd8448eb211c80319c")
    counted.tell("waited", traced)
    counted.tell("ended", traced)
    counted.tell("ended", ended(whole()))
    shown = {
        sample.name
        for family in counted.registry.collect()
        for sample in family.samples
        if sample.exemplar is not None and sample.exemplar.labels == {"trace_id": traced.trace_id}
    }
    assert shown == {
        f"concur_{name}_seconds_bucket"
        for name in (
            "queue_wait",
            "engine_queue_wait",
            "request_duration",
            "generation_duration",
            "engine_generation_duration",
            "time_to_first_token",
            "engine_time_to_first_token",
        )
    }


def test_an_answer_is_counted_by_path_and_status(counted: Counted) -> None:
    for code in (200, 200, 503):
        counted.tell("ended", ended(status=code))
    assert counted.value("concur_request_duration_seconds_count", path=PATH, code="200") == 2
    assert counted.value("concur_request_duration_seconds_sum", path=PATH, code="503") == 0.5


@pytest.mark.parametrize("more", [{"route": None}, {"is_received": False}, {"status": None}])
def test_what_was_no_request_with_an_answer_has_no_duration(counted: Counted, more: dict[str, object]) -> None:
    counted.tell("ended", ended(**{"status": 404, **more}))  # type: ignore[arg-type]
    assert b"concur_request_duration_seconds_count" not in generate_latest(counted.registry)


def test_each_failure_is_counted(counted: Counted) -> None:
    counted.tell("ended", ended(failures=["queue_full"]))
    counted.tell("ended", ended(failures=["engine_broke_midstream", "client_gone"]))
    for reason in ("queue_full", "engine_broke_midstream", "client_gone"):
        assert counted.value("concur_request_failures_total", reason=reason) == 1


def test_a_client_that_left_before_its_request_was_complete_is_no_failure(counted: Counted) -> None:
    counted.tell("ended", ended(failures=["client_gone"], is_received=False, status=None))
    counted.tell("ended", ended(failures=["body_too_large"], is_received=False, status=413))
    assert counted.value("concur_request_failures_total", reason="client_gone") == 0
    assert counted.value("concur_request_failures_total", reason="body_too_large") == 1


def test_retries_are_counted_by_the_first_engines_failure(counted: Counted) -> None:
    for failure in ("engine_unreachable", "engine_broke"):
        counted.tell("retried", ended(Attempt(failure=failure)))
    assert counted.value("concur_retries_total", reason="unreachable") == 1
    assert counted.value("concur_retries_total", reason="broke") == 1


def test_requests_are_counted_by_what_recognised_them(counted: Counted) -> None:
    for by in ("", "headers", "conversation", "headers", "own"):
        counted.tell("recognised", ended(recognised_by=by))
    assert counted.value("concur_unkeyed_requests_total") == 1
    assert counted.value("concur_recognised_requests_total", by="headers") == 2
    assert counted.value("concur_recognised_requests_total", by="conversation") == 1
    assert counted.value("concur_recognised_requests_total", by="own") == 1
    assert counted.value("concur_recognised_requests_total", by="") is None


def test_an_engines_answer_is_counted_with_and_without_its_wait(counted: Counted) -> None:
    counted.tell("ended", ended(whole()))
    assert counted.value("concur_generation_duration_seconds_sum", **LABELS) == 5.0
    assert counted.value("concur_engine_generation_duration_seconds_sum", **LABELS) == 2.0
    assert counted.value("concur_time_to_first_token_seconds_sum", **LABELS) == 3.5
    assert counted.value("concur_engine_time_to_first_token_seconds_sum", **LABELS) == 0.5
    tokens = [counted.value(f"concur_{kind}_tokens_total", **LABELS) for kind in ("prompt", "cached", "completion")]
    assert tokens == [100, 60, 20]


def test_of_two_attempts_the_one_that_answered_is_counted(counted: Counted) -> None:
    counted.tell("ended", ended(whole("dead", is_whole=False, failure="engine_broke"), whole()))
    assert counted.value("concur_generation_duration_seconds_count", **LABELS) == 1
    assert counted.value("concur_generation_duration_seconds_count", engine="dead", model="m") is None


@pytest.mark.parametrize(
    "record",
    [
        ended(whole(is_whole=False), failures=["engine_broke_midstream"]),
        ended(whole(), status=500),
        ended(whole(arrived_at=None)),
    ],
    ids=["broken", "an error", "without admission"],
)
def test_only_whole_answers_of_admitted_requests_are_counted(counted: Counted, record: RequestRecord) -> None:
    counted.tell("ended", record)
    assert b"concur_generation_duration_seconds_count" not in generate_latest(counted.registry)


def test_what_is_not_reported_is_not_counted(counted: Counted) -> None:
    counted.tell("ended", ended(whole(usage=None), is_stream=False))
    assert counted.value("concur_generation_duration_seconds_count", **LABELS) == 1
    assert not counted.value("concur_time_to_first_token_seconds_count", **LABELS)
    assert not counted.value("concur_prompt_tokens_total", **LABELS)


@pytest.mark.parametrize(("model", "listed"), [("mine", {"m"}), ("mine", None), (None, {"m"})])
def test_a_client_cannot_make_a_label(counted: Counted, model: str | None, listed: set[str] | None) -> None:
    counted.tell("ended", ended(whole(listed=listed), model=model))
    assert counted.value("concur_generation_duration_seconds_count", engine="a", model="other") == 1


def test_the_series_of_a_removed_engine_disappear(counted: Counted) -> None:
    for engine in ("a", "b"):
        counted.tell("ended", ended(whole(engine, usage=None)))
    counted.metrics.forget("a")
    count = "concur_generation_duration_seconds_count"
    assert counted.value(count, **LABELS) is None
    assert counted.value(count, engine="b", model="m") == 1


def test_what_has_not_happened_yet_is_exported_as_zero(counted: Counted) -> None:
    for outcome in Outcome:
        assert counted.value("concur_queue_wait_seconds_count", outcome=outcome.value) == 0
    for reason in (*(fault.code for fault in GatewayFault), *BROKEN):
        assert counted.value("concur_request_failures_total", reason=reason) == 0
    for reason in ("unreachable", "broke"):
        assert counted.value("concur_retries_total", reason=reason) == 0
    assert counted.value("concur_unkeyed_requests_total") == 0
    for by in ("headers", "body-fields", "previous-response", "conversation"):
        assert counted.value("concur_recognised_requests_total", by=by) == 0


def test_the_buckets_reach_from_no_wait_to_the_sdks_timeout() -> None:
    for buckets in (WAIT_BUCKETS_S, DURATION_BUCKETS_S):
        assert list(buckets) == sorted(set(buckets))
        assert buckets[0] <= 0.005
        assert buckets[-1] >= 600


def test_names_and_units_follow_the_conventions(counted: Counted) -> None:
    counted.tell("ended", ended(whole()))
    for family in text_string_to_metric_families(generate_latest(counted.registry).decode()):
        if family.name.endswith("_created"):
            continue
        assert re.fullmatch(r"concur_[a-z]+(_[a-z]+)*", family.name)
        assert family.type in {"counter", "histogram"}
        assert (family.type == "histogram") == family.name.endswith("_seconds")
