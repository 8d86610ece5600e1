from concur_proxy.admission.outcome import Outcome
from concur_proxy.coordination.backends.memory import build
from concur_proxy.coordination.store import StoreParts
from tests.coordination.fleets import make_fleet


async def test_the_clock_is_the_one_that_it_was_given() -> None:
    store = build(StoreParts(make_fleet=lambda _: make_fleet(), clock=lambda: 42.0))
    ticket = await store.arrive("s", deadline=50.0, body_bytes=0)
    assert (ticket.arrived_at, ticket.decided_at, ticket.deadline) == (42.0, 42.0, 50.0)


async def test_it_works_before_anybody_listens() -> None:
    store = build(StoreParts(make_fleet=lambda _: make_fleet(), clock=lambda: 42.0))
    ticket = await store.arrive("s", deadline=50.0, body_bytes=0)
    assert ticket.outcome is Outcome.ADMITTED


async def test_a_decision_is_made_and_told_within_the_call() -> None:
    store = build(StoreParts(make_fleet=lambda _: make_fleet(), clock=lambda: 42.0))
    first = await store.arrive("s", deadline=50.0, body_bytes=0)
    held = await store.arrive("t", deadline=50.0, body_bytes=0)
    told: list[object] = []
    store.on_decided(told.extend)
    store.finish(first, prompt_tokens=None, completion_tokens=None, client_gone=True)
    assert told == [held]
