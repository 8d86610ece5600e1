"""The share of the work that comes back: what counts, and when it is negligible."""

import pytest

from concur_proxy.admission.returning import ReturningWork


def test_nothing_admitted_yet_says_nothing() -> None:
    assert not ReturningWork().is_negligible


def test_only_single_requests_are_negligible_from_the_first_on() -> None:
    work = ReturningWork()
    work.admitted(500, odds=0.0)
    assert work.is_negligible


def test_the_first_new_session_that_may_come_back_ends_it() -> None:
    work = ReturningWork()
    work.admitted(500, odds=0.0)
    work.admitted(500, odds=1.0)
    assert not work.is_negligible


@pytest.mark.parametrize(("returning", "expected"), [(2, True), (4, False)])
def test_the_limit_is_three_in_a_hundred(returning: int, *, expected: bool) -> None:
    work = ReturningWork()
    for number in range(2_000):
        work.admitted(500, odds=float(number % 100 < returning))
    assert work.is_negligible is expected


def test_few_requests_with_large_prompts_are_not_negligible() -> None:
    work = ReturningWork()
    for number in range(2_000):
        comes_back = number % 100 == 0
        work.admitted(20_000 if comes_back else 500, odds=float(comes_back))
    assert not work.is_negligible


def test_few_tokens_in_many_requests_are_not_negligible() -> None:
    work = ReturningWork()
    for number in range(2_000):
        comes_back = number % 10 == 0
        work.admitted(5_000 if comes_back else 100_000, odds=float(comes_back))
    assert not work.is_negligible


def test_silent_sessions_count_by_their_odds() -> None:
    work = ReturningWork()
    for _ in range(2_000):
        work.admitted(500, odds=0.02)
    assert work.is_negligible


def test_a_fleet_that_has_ended_is_forgotten() -> None:
    work = ReturningWork()
    for _ in range(500):
        work.admitted(10_000, odds=1.0)
    needed = 0
    while not work.is_negligible:
        work.admitted(500, odds=0.0)
        needed += 1
    assert 256 < needed < 2_000


def test_a_request_of_unknown_size_counts_as_a_request() -> None:
    work = ReturningWork()
    work.admitted(0.0, odds=0.0)
    assert not work.is_negligible
    work.admitted(100.0, odds=0.0)
    assert work.is_negligible
