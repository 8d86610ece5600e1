"""The figures of a soak's report."""

import pytest

from tests.soak.canaries import KEYS, PROMPT, found_in
from tests.soak.health import health_of, summary
from tests.soak.slopes import slope


def test_a_slope_is_the_change_in_an_hour() -> None:
    assert slope([(0.0, 5.0), (60.0, 6.0), (120.0, 7.0)]) == pytest.approx(60.0)
    assert slope([(0.0, 5.0)]) == 0.0


def test_secrets_are_found() -> None:
    assert found_in(f"a line with {KEYS['small']} and {PROMPT}".encode()) == [KEYS["small"], PROMPT]
    assert found_in(b"a line without") == []


def test_what_the_machine_took_is_no_part_of_the_gateway() -> None:
    plain = ["plain 9.0 400.0", "plain 10.0 1.0", "plain 10.2 250.0", "plain 11.2 900.0"]

    health = health_of([*plain, "replica-0 10.1 300.0", "replica-1 20.0 4.0"])

    assert health.plain == [400.0, 1.0, 250.0, 900.0]
    assert health.excess == [pytest.approx(50.0), 4.0]


def test_late_answers_are_counted() -> None:
    assert "longest 150 ms; 50.00 % took longer" in summary([2.0, 150.0])
