"""Several workers over real sockets, in one process. The one that leads ends, or stops without a word."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import pytest

from concur_proxy.admission.changes import Drain
from concur_proxy.admission.outcome import Outcome
from concur_proxy.coordination.coordinator import CoordinatorParts, LeaderSilent, Listener, Role
from concur_proxy.coordination.group.inbox import HANDLED_AT_ONCE
from concur_proxy.coordination.protocol.manual import ManualSettings, ManualWindow
from concur_proxy.coordination.protocol.messages import Call, Overloaded
from concur_proxy.coordination.responses import StoredResponse
from concur_proxy.coordination.workers import connection
from concur_proxy.coordination.workers.coordinator import WorkersCoordinator
from concur_proxy.coordination.workers.kept import PART_BYTES
from tests.coordination.fleets import make_fleet
from tests.coordination.peer import Peer, until
from tests.coordination.workers.doors import DoorInOneProcess

WHO = Call(method="GET", path="who")
SET = ManualSettings().with_window("a", ManualWindow(sessions=3.0, budget=None))


class Worker(Peer):
    """One worker, and what was reported to it."""

    def __init__(self, name: str, door: DoorInOneProcess, *, window: float) -> None:
        self.door = door
        self.manual: list[ManualSettings] = []
        self.overloaded: list[str] = []
        parts = CoordinatorParts(
            make_fleet=lambda after: make_fleet(window=window, lease_s=60.0, after=after),
            clock=time.monotonic,
            replica=name,
        )
        self.coordinator: WorkersCoordinator
        super().__init__(name, WorkersCoordinator(parts, door))
        self.coordinator.listen(
            Listener(on_manual=self.manual.append, on_call=self.do, on_overload=self.overloaded.append)
        )

    def in_flight(self) -> int:
        return self.coordinator.fleet.gates["a"].snapshot().in_flight

    async def die(self) -> None:
        """End as a killed process does: nothing is handed over."""
        await self.coordinator.upkeep.vanish()


Gather = Callable[..., Awaitable[list[Worker]]]


@pytest.fixture(name="gather")
async def _gather(tmp_path: Path) -> AsyncIterator[Gather]:
    workers: list[Worker] = []

    async def gather(count: int, *, window: float = 1.0) -> list[Worker]:
        """So many workers in addition to those that exist. The first of all leads."""
        for number in range(len(workers), len(workers) + count):
            door = DoorInOneProcess(tmp_path / "lock", workers[0].door if workers else None)
            workers.append(Worker(f"w{number}", door, window=window))
            await workers[-1].coordinator.start()
        await until(lambda: any(len(each.coordinator.member.leader.replicas) >= count for each in workers))
        return workers[-count:]

    yield gather
    await asyncio.gather(*(worker.coordinator.stop() for worker in workers))
    for worker in workers:
        worker.door.close()


async def test_one_leads_and_the_window_is_one_for_all(gather: Gather) -> None:
    one, two, three = await gather(3, window=2.0)
    assert [each.role for each in (one, two, three)] == [Role.LEADING, Role.FOLLOWING, Role.FOLLOWING]
    first, second = await two.admitted("s"), await three.admitted("t")
    held = one.arrive("u")
    await asyncio.sleep(0.05)
    assert held.is_held
    assert one.in_flight() == 2
    two.finish(first, client_gone=True)
    await until(lambda: held.outcome is Outcome.ADMITTED)
    three.finish(second)


async def test_when_the_leader_dies_another_leads_at_once_and_no_place_is_lost_or_given_twice(gather: Gather) -> None:
    one, two, three = await gather(3, window=3.0)
    await one.admitted("s")
    mine, yours = await two.admitted("t"), await three.admitted("u")
    held = three.arrive("v")
    await until(lambda: three.coordinator.expected_wait(held)[1] > 0 or one.in_flight() == 3)
    await asyncio.sleep(0.3)  # the followers get the state
    began = time.monotonic()
    await one.die()
    await until(lambda: Role.LEADING in (two.role, three.role))
    leader = two if two.role is Role.LEADING else three
    await until(lambda: leader.in_flight() == 2)
    assert time.monotonic() - began < 1.0
    await asyncio.sleep(0.05)
    assert held.is_held, "the dead worker's session keeps its place until its lease ends"
    two.finish(mine, client_gone=True)
    await until(lambda: held.outcome is Outcome.ADMITTED)
    three.finish(yours)
    three.finish(held)
    await until(lambda: leader.in_flight() == 0)


async def test_a_follower_that_dies_gives_its_places_up(gather: Gather) -> None:
    one, two = await gather(2)
    await two.admitted(None)
    held = one.arrive(None)
    await asyncio.sleep(0.02)
    assert held.is_held
    await two.die()
    await until(lambda: held.outcome is Outcome.ADMITTED)
    assert one.in_flight() == 1


async def test_a_leader_that_drains_hands_over_and_its_answers_end_well(gather: Gather) -> None:
    one, two = await gather(2)
    ticket = await one.admitted("s")
    waiting, other = one.arrive("t"), two.arrive("t")
    await asyncio.sleep(0.02)
    one.coordinator.apply(Drain())
    assert waiting.outcome is Outcome.DRAINING
    await until(lambda: two.role is Role.LEADING and two.in_flight() == 1)
    assert one.role is Role.FOLLOWING
    assert other.is_held
    one.finish(ticket, client_gone=True)
    await until(lambda: other.outcome is Outcome.ADMITTED)


async def test_the_next_leader_waits_for_the_requests_of_one_that_drains(gather: Gather) -> None:
    one, two, three = await gather(3)
    ticket = await one.admitted(None)  # a session without a key is not handed over
    others = [each.arrive(None) for each in (two, three)]
    await asyncio.sleep(0.02)
    one.coordinator.apply(Drain())
    await until(lambda: Role.LEADING in (two.role, three.role))
    leader = two if two.role is Role.LEADING else three
    await until(lambda: len(leader.coordinator.member.leader.replicas) == 3)
    assert leader.in_flight() == 1
    assert all(other.is_held for other in others)
    one.finish(ticket, client_gone=True)
    await until(lambda: any(other.outcome is Outcome.ADMITTED for other in others))


async def test_a_new_worker_follows_and_can_lead_with_all_that_was_known(gather: Gather) -> None:
    one, two = await gather(2, window=1.0)
    two.finish(await two.admitted("s"))
    one.coordinator.set_manual(SET)
    assert (await two.coordinator.call(Call(method="POST", path="pause", body=b"s"))).status == 200
    await until(lambda: two.manual[-1:] == [SET])
    (three,) = await gather(1)
    await until(lambda: three.manual[-1:] == [SET] and "s" in three.coordinator.upkeep._keeping.sessions)
    await two.die()
    await one.die()
    await until(lambda: three.role is Role.LEADING)
    assert three.coordinator.manual == SET
    session = three.coordinator.fleet.gates["a"].sessions.get("s")
    assert session is not None
    assert session.stopped


async def test_any_worker_answers_an_operator(gather: Gather) -> None:
    one, two = await gather(2)
    assert [(await each.coordinator.call(WHO)).body for each in (one, two)] == [b"w0", b"w0"]
    two.coordinator.apply(Overloaded(engine="a"))
    await until(lambda: one.overloaded == ["a"])
    await one.die()
    one.coordinator.apply(Drain())
    await until(lambda: two.role is Role.LEADING)
    assert (await two.coordinator.call(WHO)).body == b"w1"


async def test_while_nobody_leads_nothing_is_changed(gather: Gather) -> None:
    (one,) = await gather(1)
    one.coordinator.apply(Drain())
    await until(lambda: one.role is Role.FOLLOWING)
    with pytest.raises(LeaderSilent, match="No gateway leads"):
        await one.coordinator.call(Call(method="POST", path="pause", body=b"s"))


async def test_a_stored_response_is_found_through_every_worker_and_after_the_leader_is_gone(gather: Gather) -> None:
    one, two, three = await gather(3)
    stored = StoredResponse(engine="a", session="s")
    two.coordinator.responses.learn("resp_1", stored)
    for each in (one, two, three):
        assert await each.coordinator.responses.find("resp_1") == stored
    assert await three.coordinator.responses.find("resp_2") is None
    await one.die()
    (four,) = await gather(1)
    await until(lambda: four.role is Role.FOLLOWING)
    assert await four.coordinator.responses.find("resp_1") == stored


async def test_a_flood_from_another_worker_does_not_stop_the_leader(gather: Gather) -> None:
    many = 20 * HANDLED_AT_ONCE
    one, two = await gather(2, window=float(many))
    for number in range(many):
        two.arrive(str(number))
    seen = [one.in_flight()]
    while seen[-1] < many:
        await asyncio.sleep(0)
        seen.append(one.in_flight())
    assert max(after - before for before, after in pairwise(seen)) <= HANDLED_AT_ONCE


async def test_a_worker_that_does_not_read_is_cut_off_and_joins_again(
    gather: Gather, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = await gather(2)
    await two.admitted("s")
    link = one.coordinator.link
    cut = link.followers["w1"]
    monkeypatch.setattr(connection, "MOST_UNREAD_BYTES", 100)
    link.send(connection.Kept(records={str(n): b"x" * 100_000 for n in range(10)}), "w1")
    await until(lambda: link.followers.get("w1") not in (None, cut))
    monkeypatch.undo()
    await until(lambda: one.in_flight() == 1)
    assert two.role is Role.FOLLOWING


async def test_a_worker_follows_although_too_many_knock_at_the_same_moment(gather: Gather) -> None:
    (one,) = await gather(1)
    others: list[socket.socket] = []
    with suppress(OSError):
        while True:
            others.append(one.door.knock())
    try:
        (two,) = await gather(1)
        await until(lambda: two.role is Role.FOLLOWING and one.in_flight() == 0)
        assert two.coordinator.status.leader == "w0"
    finally:
        for other in others:
            other.close()


async def test_a_leader_that_hands_over_takes_nobody_in_any_more(gather: Gather) -> None:
    (one,) = await gather(1)
    lost, heard = asyncio.Event(), list[connection.AnyMessage]()
    late = connection.Connection(lambda _, messages: heard.extend(messages), lambda _: lost.set())
    await asyncio.get_running_loop().create_unix_connection(lambda: late, sock=one.door.knock())
    for _ in range(5):
        await asyncio.sleep(0)  # it is accepted, and has not said its name yet
    one.coordinator.apply(Drain())
    await until(lambda: one.role is Role.FOLLOWING)
    late.send(connection.Hello(name="late"))
    await asyncio.wait_for(lost.wait(), timeout=2.0)
    assert heard == []


async def test_a_saved_session_that_cannot_be_read_does_not_keep_a_worker_from_leading(gather: Gather) -> None:
    one, two = await gather(2)
    two.coordinator.upkeep._keeping.sessions.take({"s": b"no record"})
    await one.die()
    await until(lambda: two.role is Role.LEADING)
    await two.admitted("s")


async def test_what_a_worker_has_sent_before_it_died_is_handled_in_rounds(gather: Gather) -> None:
    many = 10 * HANDLED_AT_ONCE
    one, two = await gather(2, window=float(many))
    tickets = [two.arrive(str(number)) for number in range(many)]
    await until(lambda: not any(ticket.is_held for ticket in tickets))
    for ticket in tickets:
        two.finish(ticket, client_gone=True)
    await asyncio.sleep(0)  # they are sent
    await two.die()
    seen = [one.in_flight()]
    while seen[-1] or two.name in one.coordinator.member.leader.replicas:
        await asyncio.sleep(0)
        seen.append(one.in_flight())
    assert max(before - after for before, after in pairwise(seen)) <= HANDLED_AT_ONCE
    assert one.coordinator.fleet.gates["a"].active == 0, "each answer was reported before the worker died"


async def test_a_new_worker_gets_any_number_of_sessions_as_fast_as_it_reads(
    gather: Gather, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "MOST_UNREAD_BYTES", 3 * PART_BYTES)
    (one,) = await gather(1)
    await one.admitted("s")
    saved = one.coordinator.upkeep._keeping.sessions
    saved.take({f"k{n}": bytes(PART_BYTES // 4) for n in range(80)})
    (two,) = await gather(1)
    await until(lambda: "k79" in two.coordinator.upkeep._keeping.sessions)
    assert "k0" in two.coordinator.upkeep._keeping.sessions
    assert two.role is Role.FOLLOWING
