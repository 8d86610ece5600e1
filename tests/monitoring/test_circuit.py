from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concur_proxy.monitoring.circuit import (
    FAILURES,
    FAILURES_SPAN_S,
    FIRST_COOLDOWN_S,
    LONGEST_COOLDOWN_S,
    PROBATION_S,
    Circuit,
    CircuitState,
)

CLOSED, OPEN, HALF_OPEN = CircuitState.CLOSED, CircuitState.OPEN, CircuitState.HALF_OPEN
EVENTS = ("answered", "failed", "refused", "heard", "missed", "healthy", "unhealthy")


def _broken(*, now: float = 0.0) -> Circuit:
    """A circuit that failures in a row have opened."""
    circuit = Circuit()
    for _ in range(FAILURES):
        circuit.failed(now=now)
    assert circuit.state is OPEN
    return circuit


def test_it_is_closed_at_first_and_while_all_is_well() -> None:
    circuit = Circuit()
    for now in range(100):
        circuit.answered(now=now)
        circuit.heard(now=now)
    assert circuit.state is CLOSED


def test_a_refused_connection_opens_at_once_and_any_answer_half_opens() -> None:
    circuit = Circuit()
    circuit.refused(now=10.0)
    assert circuit.state is OPEN
    circuit.heard(now=10.0)
    assert circuit.state is HALF_OPEN
    circuit.answered(now=10.1)
    assert circuit.state is CLOSED


@pytest.mark.parametrize("event", ["failed", "missed"])
def test_failures_in_a_row_open_and_one_success_ends_the_row(event: str) -> None:
    circuit = Circuit()
    fail: Callable[..., None] = getattr(circuit, event)
    for _ in range(FAILURES - 1):
        fail(now=0.0)
    circuit.answered(now=0.0)
    for number in range(FAILURES):
        assert circuit.state is CLOSED
        fail(now=float(number))
    assert circuit.state is OPEN


def test_failures_far_apart_are_no_row() -> None:
    circuit = Circuit()
    for number in range(10 * FAILURES):
        circuit.failed(now=number * (FAILURES_SPAN_S + 1))
    assert circuit.state is CLOSED


def test_scrapes_that_are_answered_excuse_no_failing_requests_but_missed_ones() -> None:
    circuit = Circuit()
    for number in range(FAILURES - 1):
        circuit.failed(now=number)
        circuit.missed(now=number)
        circuit.heard(now=number)
    assert circuit.state is CLOSED
    circuit.failed(now=FAILURES)
    assert circuit.state is OPEN


def test_an_engine_that_twice_calls_itself_unhealthy_is_believed_until_it_says_otherwise() -> None:
    circuit = Circuit()
    circuit.unhealthy(now=0.0)
    assert circuit.state is CLOSED
    circuit.unhealthy(now=5.0)
    assert circuit.state is OPEN
    circuit.heard(now=60.0)
    assert circuit.state is OPEN, "its server answers scrapes, but what it serves is dead"
    circuit.healthy(now=60.0)
    assert circuit.state is HALF_OPEN


def test_after_failures_it_stays_open_for_a_cooldown_that_doubles_until_it_was_closed() -> None:
    now, cooldown_s = 0.0, FIRST_COOLDOWN_S
    circuit = _broken(now=now)
    for _ in range(8):
        circuit.heard(now=now + cooldown_s - 0.01)
        assert circuit.state is OPEN
        now += cooldown_s
        circuit.heard(now=now)
        assert circuit.state is HALF_OPEN
        circuit.failed(now=now)
        assert circuit.state is OPEN
        cooldown_s = min(2 * cooldown_s, LONGEST_COOLDOWN_S)
    circuit.heard(now=now + cooldown_s)
    circuit.answered(now=now + cooldown_s)
    assert circuit.state is CLOSED
    for _ in range(FAILURES):
        circuit.failed(now=1000.0)
    circuit.heard(now=1000.0 + FIRST_COOLDOWN_S)
    assert circuit.state is HALF_OPEN


def test_half_open_it_closes_after_probation_without_any_request() -> None:
    circuit = _broken()
    circuit.heard(now=FIRST_COOLDOWN_S)
    circuit.heard(now=FIRST_COOLDOWN_S + PROBATION_S - 0.1)
    assert circuit.state is HALF_OPEN
    circuit.heard(now=FIRST_COOLDOWN_S + PROBATION_S)
    assert circuit.state is CLOSED


def test_one_that_comes_and_goes_is_trusted_less_each_time() -> None:
    circuit = Circuit()
    circuit.refused(now=0.0)
    circuit.heard(now=0.0)
    circuit.refused(now=1.0)
    circuit.heard(now=1.5)
    assert circuit.state is OPEN
    circuit.heard(now=1.0 + 2 * FIRST_COOLDOWN_S)
    assert circuit.state is HALF_OPEN


@given(st.lists(st.tuples(st.sampled_from(EVENTS), st.floats(0.0, 20.0)), max_size=200))
def test_whatever_happens_an_engine_that_is_well_again_is_used_again(events: list[tuple[str, float]]) -> None:
    circuit, now = Circuit(), 0.0
    legal = {(CLOSED, OPEN), (OPEN, HALF_OPEN), (HALF_OPEN, OPEN), (HALF_OPEN, CLOSED)}
    for event, seconds in events:
        now += seconds
        before = circuit.state
        getattr(circuit, event)(now=now)
        assert before is circuit.state or (before, circuit.state) in legal
    circuit.healthy(now=now + LONGEST_COOLDOWN_S)
    assert circuit.state is not OPEN
    circuit.answered(now=now + LONGEST_COOLDOWN_S)
    assert circuit.state is CLOSED
