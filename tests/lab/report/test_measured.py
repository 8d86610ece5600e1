import pytest

from concur_proxy.lab.recorded.request import RecordedRequest
from concur_proxy.lab.report import measured as module
from concur_proxy.lab.report.measured import MOST_NAMES, MOST_SPANS, OTHERS, Measured, Measuring
from tests.lab.recorded.recordings import NOON, request


def measure(requests: list[RecordedRequest]) -> Measured:
    measuring = Measuring()
    for each in requests:
        measuring.add(each)
    return measuring.result("a file", has_dates=True, cut_lines=0)


def test_it_counts_what_returned_and_what_of_it_was_computed_again() -> None:
    totals = measure(
        [
            request("a", 0.0, 1000, 200, cached_tokens=0, wait_s=0.5, is_recognised=True),
            request("a", 5.0, 1300, 10, cached_tokens=320, is_recognised=True),
            request("b", 6.0, 900, 10, cached_tokens=0, is_recognised=False),
        ]
    ).totals
    assert (totals.requests, totals.sessions, totals.unrecognised) == (3, 2, 1)
    assert (totals.prompt_tokens, totals.cached_tokens, totals.answer_tokens) == (3200, 320, 220)
    assert (totals.returning_tokens, totals.recomputed_tokens) == (1200, 880)
    assert totals.recomputed_share == pytest.approx(880 / 1200)
    assert (totals.waits.most, totals.turns.mean) == (0.5, 1.0)


def test_what_is_not_recorded_is_not_called_zero() -> None:
    totals = measure([request("a", 0.0, 100), request("a", 5.0, 200)]).totals
    assert totals.cached_tokens is None
    assert totals.recomputed_share is None
    assert totals.unrecognised_share is None


def test_a_side_request_does_not_count_as_lost_history() -> None:
    totals = measure([request("a", 0.0, 5000, cached_tokens=0), request("a", 0.5, 300, cached_tokens=0)]).totals
    assert totals.recomputed_tokens == 0


def test_time_is_divided_into_spans_without_the_idle_ones() -> None:
    found = measure([request("a", NOON + hour * 3600.0, 10) for hour in (0, 1, 9, 9.5)])
    assert found.width_s == 3600.0
    assert [(at - NOON, totals.requests) for at, totals in found.over_time] == [(0, 1), (3600, 1), (32_400, 2)]


def test_a_long_recording_has_few_spans() -> None:
    found = measure([request("a", NOON + hour * 3600.0, 10) for hour in range(24 * 20)])
    assert len(found.over_time) <= MOST_SPANS
    assert sum(totals.requests for _, totals in found.over_time) == 24 * 20


def test_tenants_and_models_are_listed_if_there_are_several() -> None:
    one = measure([request("a", 0.0, 10, tenant="x", model="m"), request("b", 1.0, 30, tenant="y", model="m")])
    assert {name: totals.prompt_tokens for name, totals in one.by_tenant.items()} == {"x": 10, "y": 30}
    assert one.by_model == {}
    many = measure([request("a", float(at), 10, tenant=f"t{at}") for at in range(2 * MOST_NAMES)]).by_tenant
    assert len(many) == MOST_NAMES + 1
    assert many[OTHERS].requests == MOST_NAMES


def test_so_many_sessions_are_known_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_SESSIONS", 2)
    assert measure([request(name, float(at), 10) for at, name in enumerate("abcab")]).totals.sessions == 5
