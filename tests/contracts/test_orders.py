"""The contract of every queue order. A new file in `admission/orders` is tested automatically."""

import time
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concur_proxy import plugins
from concur_proxy.admission.arrival import Answered, Arrival
from concur_proxy.admission.fleet import Fleet
from concur_proxy.admission.gate import SessionGate
from concur_proxy.admission.gate_state import GateOptions
from concur_proxy.admission.guarded import GuardedOrder
from concur_proxy.admission.lease import FixedLease
from concur_proxy.admission.numbering import Numbers
from concur_proxy.admission.order import QueueOrder
from concur_proxy.admission.session import Session, SessionState
from concur_proxy.admission.ticket import Ticket
from concur_proxy.coordination.local import LocalCoordinator
from concur_proxy.engines.kind import KnownKinds
from concur_proxy.monitoring.pool import EnginePool
from concur_proxy.settings.gateway import GatewaySettings

OUTSIDE = "tests.contracts.outside_order:build"
NAMES = [*plugins.available(plugins.ORDERS), OUTSIDE]


def make(name: str) -> QueueOrder:
    return plugins.load(plugins.ORDERS, name)()


def waiting(
    number: int, *, paused: bool = False, lapsed: bool = False, preferred: bool = False, size: int = 0, owner: int = 0
) -> Session:
    """A session that waits with one request."""
    seniority = -1 - number if preferred else number
    session = Session(
        key=f"s{number}",
        seniority=seniority,
        one_shot=False,
        now=0.0,
        tenant=f"t{owner % 3}",
        weight=1.0 + owner % 3,
        priority=-(owner // 3),
    )
    session.state = SessionState.PAUSED if paused else SessionState.QUEUED
    session.has_lapsed = paused and lapsed
    session.held[Ticket(session=session, number=number, arrival=Arrival(body_bytes=size), now=0.0)] = None
    return session


@pytest.mark.parametrize("name", NAMES)
@given(
    who=st.lists(
        st.tuples(st.booleans(), st.booleans(), st.booleans(), st.integers(0, 5_000), st.integers(0, 5)), max_size=12
    ),
    steps=st.lists(st.tuples(st.booleans(), st.integers(0, 11)), max_size=40),
)
def test_all_ways_to_read_it_agree(
    name: str, who: list[tuple[bool, bool, bool, int, int]], steps: list[tuple[bool, int]]
) -> None:
    order = make(name)
    sessions = [
        waiting(number, paused=paused, lapsed=lapsed, preferred=preferred, size=size, owner=owner)
        for number, (paused, lapsed, preferred, size, owner) in enumerate(who, start=1)
    ]
    joined: set[Session] = set()
    for joins, which in steps:
        if which >= len(sessions):
            continue
        session = sessions[which]
        would_be = order.position(session)
        if joins:
            order.join(session)
            joined.add(session)
            assert order.position(session) == would_be
        else:
            order.leave(session)
            joined.discard(session)
        listed = list(order)
        assert set(listed) == joined
        assert len(listed) == len(order) == len(joined)
        assert bool(order) == bool(joined)
        assert all((each in order) == (each in joined) for each in sessions)
        assert order.head() is (listed[0] if listed else None)
        assert [order.position(each) for each in listed] == list(range(1, len(listed) + 1))
        new = [each for each in listed if each.state is not SessionState.PAUSED]
        assert order.first_new() is (new[0] if new else None)
        preferred = sorted((each for each in listed if each.is_preferred), key=lambda each: each.seniority)
        assert listed[: len(preferred)] == preferred, "an operator put these first"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("owners", [1, 6])
def test_a_long_queue_costs_little(name: str, owners: int) -> None:
    order = make(name)
    sessions = [
        waiting(number, paused=number % 2 == 0, size=number % 97, owner=number % owners) for number in range(1, 20_001)
    ]
    began = time.process_time()
    for session in sessions:
        order.join(session)
    for session in sessions:
        assert order.position(session) > 0
    while (head := order.head()) is not None:
        order.leave(head)
    assert time.process_time() - began < 5, "a method looks at the whole queue"


def test_an_order_of_another_package_is_used_by_each_gate() -> None:
    settings = GatewaySettings(engine=("http://127.0.0.1:1", "http://127.0.0.1:2"), order=OUTSIDE)  # type: ignore[call-arg]
    gates = EnginePool(settings, KnownKinds(()), lambda: 0.0).make_fleet(0).gates
    queues = [gate.queue for gate in gates.values()]
    orders = [cast("GuardedOrder", queue.order).inner for queue in queues]
    assert [type(order).__name__ for order in orders] == ["SmallestFirst"] * 2
    assert queues[0] is not queues[1]


async def test_its_order_is_the_one_in_which_places_are_given() -> None:
    def make_gate(engine: str, numbers: Numbers) -> SessionGate:
        return SessionGate(
            options=GateOptions(work_conserving=False),
            lease=FixedLease(0.0),
            window=1.0,
            engine=engine,
            numbers=numbers,
            order=make(OUTSIDE),
        )

    coordinator = LocalCoordinator(Fleet(engines=["e"], make_gate=make_gate), lambda: 0.0)
    running = coordinator.arrive(Arrival(body_bytes=10, hold_s=60))
    sizes = (900, 100, 500)
    held = {size: coordinator.arrive(Arrival(body_bytes=size, hold_s=60)) for size in sizes}
    for size in sorted(sizes):
        assert coordinator.expected_wait(held[size])[0] == 1
        coordinator.finish(running, Answered())
        running = held[size]
        assert running.is_in_flight
