import pytest

from concur_proxy.admission.arrival import Answered, Arrival
from concur_proxy.admission.outcome import Outcome
from concur_proxy.coordination.coordinator import Role
from concur_proxy.coordination.local import LocalCoordinator
from tests.coordination.fleets import make_fleet


@pytest.fixture
def coordinator() -> LocalCoordinator:
    return LocalCoordinator(make_fleet(), lambda: 42.0)


async def test_the_clock_is_the_one_that_it_was_given(coordinator: LocalCoordinator) -> None:
    ticket = coordinator.arrive(Arrival(key="s", hold_s=8.0))
    assert (ticket.arrived_at, ticket.decided_at, ticket.deadline) == (42.0, 42.0, 50.0)


async def test_a_decision_is_made_within_the_call(coordinator: LocalCoordinator) -> None:
    first = coordinator.arrive(Arrival(key="s", hold_s=8.0))
    second = coordinator.arrive(Arrival(key="t", hold_s=8.0))
    assert (first.outcome, second.outcome) == (Outcome.ADMITTED, None)
    coordinator.finish(first, Answered(client_gone=True))
    assert second.outcome is Outcome.ADMITTED


def test_it_decides_alone(coordinator: LocalCoordinator) -> None:
    status = coordinator.status
    assert (status.role, status.leader, status.replicas, status.leads) == (Role.SINGLE, "", 1, True)
