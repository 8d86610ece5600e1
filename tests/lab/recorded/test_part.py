import pytest

from concur_proxy.lab.recorded import part
from concur_proxy.lab.recorded.part import LoadOverTime, fleets_of, part_of
from concur_proxy.lab.recorded.request import RecordedRequest
from tests.lab.recorded.recordings import request


def busiest(requests: list[RecordedRequest]) -> list[RecordedRequest]:
    load = LoadOverTime()
    for each in requests:
        load.add(each)
    return part_of(requests, load.busiest())


def test_a_short_recording_is_taken_whole() -> None:
    requests = [request("a", 100_000.0 * at, 10) for at in range(20)]
    assert busiest(requests) == requests


def test_of_a_long_one_the_busiest_time_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(part, "MOST_REQUESTS", 6)
    quiet = [request("a", 60.0 * at, 10) for at in range(10)]
    busy = [request("b", 600.0 + 10.0 * at, 500) for at in range(6)]
    late = [request("a", 660.0 + 60.0 * at, 10) for at in range(10)]
    assert busiest([*quiet, *busy, *late]) == busy


def test_a_minute_with_too_many_requests_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(part, "MOST_REQUESTS", 6)
    assert len(busiest([request("a", float(at), 10) for at in range(50)])) == 6


def test_a_year_needs_no_more_memory_than_a_week(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(part, "MOST_SPANS", 16)
    load = LoadOverTime()
    requests = [request("a", 3600.0 * at, 10) for at in range(300)]
    for each in requests:
        load.add(each)
        assert len(load._spans) <= 17
    assert part_of(requests, load.busiest()) == requests


def test_engines_with_a_model_in_common_are_one_fleet() -> None:
    served = [("x", "m"), ("y", "m"), ("y", "n"), ("z", "o")]
    requests = [
        request(f"s{number}", float(number), 10, engine=engine, model=model, capacity_tokens=1000 * (number + 1))
        for number, (engine, model) in enumerate(served)
    ]
    first, second = fleets_of(requests)
    assert (first.engines, list(first.requests)) == (2, requests[:3])
    assert (second.engines, second.capacity_tokens) == (1, 4000)
    assert first.capacity_tokens == 3000


def test_what_does_not_name_its_engine_is_of_one_engine_of_unknown_size() -> None:
    (fleet,) = fleets_of([request("a", 0.0, 10), request("b", 1.0, 10)])
    assert (fleet.engines, fleet.capacity_tokens) == (1, None)
