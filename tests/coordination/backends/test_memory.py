from concur_proxy.admission.arrival import Answered, Arrival
from concur_proxy.admission.outcome import Outcome
from concur_proxy.coordination.backends.memory import build
from concur_proxy.coordination.store import StoreParts
from tests.coordination.fleets import make_fleet


async def test_the_clock_is_the_one_that_it_was_given() -> None:
    store = build(StoreParts(make_fleet=lambda _: make_fleet(), clock=lambda: 42.0))
    ticket = store.arrive(Arrival(key="s", hold_s=8.0))
    assert (ticket.arrived_at, ticket.decided_at, ticket.deadline) == (42.0, 42.0, 50.0)


async def test_it_works_before_anybody_listens() -> None:
    store = build(StoreParts(make_fleet=lambda _: make_fleet(), clock=lambda: 42.0))
    ticket = store.arrive(Arrival(key="s", hold_s=8.0))
    assert ticket.outcome is Outcome.ADMITTED


async def test_a_decision_is_made_and_told_within_the_call() -> None:
    store = build(StoreParts(make_fleet=lambda _: make_fleet(), clock=lambda: 42.0))
    first = store.arrive(Arrival(key="s", hold_s=8.0))
    held = store.arrive(Arrival(key="t", hold_s=8.0))
    told: list[object] = []
    store.on_decided(told.extend)
    store.finish(first, Answered(client_gone=True))
    assert told == [held]
