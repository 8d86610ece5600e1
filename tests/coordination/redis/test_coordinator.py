"""Several replicas that share a real Redis, in one process. Redis fails, or the connection of a replica to it."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from itertools import pairwise
from secrets import token_hex

import msgspec
import pytest
from redis.exceptions import TimeoutError as RedisTimeout

from concur_proxy.admission.changes import Drain, EndSession, Resize, RetireEngine
from concur_proxy.admission.learned_lease import LearnedLease
from concur_proxy.admission.outcome import Outcome
from concur_proxy.admission.ticket import Ticket
from concur_proxy.control.law import Budget
from concur_proxy.coordination.coordinator import CoordinatorParts, LeaderSilent, Listener, Role
from concur_proxy.coordination.group.inbox import HANDLED_AT_ONCE
from concur_proxy.coordination.protocol.manual import ManualLaw, ManualSettings, ManualWindow
from concur_proxy.coordination.protocol.messages import Call
from concur_proxy.coordination.redis.coordinator import RedisCoordinator
from concur_proxy.coordination.redis.link import PROTOCOL
from tests.coordination import peer
from tests.coordination.fleets import make_fleet
from tests.coordination.peer import Peer
from tests.coordination.redis_server import RedisServer

WAIT_S = 15.0
until = partial(peer.until, within_s=WAIT_S)
WHO = Call(method="GET", path="who")
PAUSE = Call(method="POST", path="pause", body=b"s")


class Member(Peer):
    """One replica, and the decisions that reached it."""

    wait_s = WAIT_S

    def __init__(
        self, url: str, prefix: str, name: str, *, window: float, engines: tuple[str, ...], lease_s: float | None
    ) -> None:
        self.prefix = prefix
        self.told: list[Ticket] = []
        self.laws: list[dict[str, dict[str, float]]] = []
        self.manual: list[ManualSettings] = []
        parts = CoordinatorParts(
            make_fleet=lambda after: make_fleet(engines=engines, window=window, lease_s=lease_s, after=after),
            clock=time.monotonic,
            url=url,
            prefix=prefix,
            replica=name,
            law_states=lambda: {"a": {"factor": 0.5}},
        )
        self.coordinator: RedisCoordinator
        super().__init__(name, RedisCoordinator(parts))
        self.coordinator.listen(
            Listener(
                on_role=lambda _, states: self.laws.append({k: dict(v) for k, v in states.items()}),
                on_manual=self.manual.append,
                on_call=self.do,
            )
        )
        wake = self.coordinator.member.tell

        def tell(decided: list[Ticket]) -> None:
            self.told += decided
            wake(decided)

        self.coordinator.member.tell = tell

    async def vanish(self) -> None:
        """Stop as in a crash: nothing is handed over."""
        await self.coordinator.upkeep.vanish()


Gather = Callable[..., Awaitable[list[Member]]]


@pytest.fixture(name="gather")
async def _gather(redis: RedisServer) -> AsyncIterator[Gather]:
    members: list[Member] = []

    async def gather(
        count: int,
        *,
        url: str = redis.url,
        window: float = 1.0,
        engines: tuple[str, ...] = ("a",),
        lease_s: float | None = 60.0,
        also: Sequence[Member] = (),
    ) -> list[Member]:
        """So many members, which join these others."""
        prefix = also[0].prefix if also else token_hex(4)
        for number in range(len(also), len(also) + count):
            members.append(Member(url, prefix, f"r{number}", window=window, engines=engines, lease_s=lease_s))
            await members[-1].coordinator.start()
        if also:
            return members
        await until(lambda: len(leader_of(members).coordinator.member.leader.replicas) == count)
        return members

    yield gather
    await asyncio.gather(*(member.coordinator.stop() for member in members))


def leader_of(members: list[Member]) -> Member:
    (leader,) = [member for member in members if member.role is Role.LEADING]
    return leader


async def test_one_leads_and_the_window_is_one_for_all(gather: Gather) -> None:
    one, two, three = await gather(3, window=2.0)
    assert [member.role for member in (one, two, three)] == [
        Role.LEADING,
        Role.FOLLOWING,
        Role.FOLLOWING,
    ]
    first, second = await two.admitted("s"), await three.admitted("t")
    held = one.arrive("u")
    await asyncio.sleep(0.1)
    assert held.is_held
    assert one.coordinator.fleet.gates["a"].snapshot().in_flight == 2
    two.finish(first, client_gone=True)
    await until(lambda: held.outcome is Outcome.ADMITTED)
    three.finish(second)
    assert Counter(map(id, one.told + two.told + three.told)).most_common(1)[0][1] == 1


async def test_any_replica_takes_any_request_of_a_session(gather: Gather) -> None:
    one, two, three = await gather(3, window=1.0)
    for member in (one, two, three, two):
        ticket = await member.admitted("s")
        member.finish(ticket)
    assert leader_of([one, two, three]).coordinator.fleet.gates["a"].snapshot().active == 1


async def test_a_follower_hears_its_place_in_the_line(gather: Gather) -> None:
    _, two = await gather(2, window=1.0)
    await two.admitted("s")
    two.arrive("t")
    last = two.arrive("u")
    await until(lambda: two.coordinator.expected_wait(last)[0] == 2)


async def test_a_flood_from_another_replica_does_not_stop_the_leader(gather: Gather) -> None:
    many = 20 * HANDLED_AT_ONCE
    one, two = await gather(2, window=float(many))
    for number in range(many):
        two.arrive(str(number))

    def known() -> int:
        return len(one.coordinator.member.leader.tickets_of("r1"))

    seen = [known()]
    while seen[-1] < many:
        await asyncio.sleep(0)
        seen.append(known())
    assert max(after - before for before, after in pairwise(seen)) <= HANDLED_AT_ONCE


async def test_what_a_person_does_on_a_follower_reaches_the_leader_and_outlives_it(gather: Gather) -> None:
    one, two, three = await gather(3, window=4.0)
    assert (one.coordinator.status.leader, two.coordinator.status.leader) == ("", one.name)
    assert (await two.coordinator.call(PAUSE)).status == 404
    two.finish(await two.admitted("s"))
    assert (await two.coordinator.call(PAUSE)).status == 200
    session = one.coordinator.fleet.gates["a"].sessions.get("s")
    assert session is not None
    assert session.stopped
    await asyncio.sleep(1.0)  # the state is saved for the next leader
    await one.vanish()
    await until(lambda: two.role is Role.LEADING or three.role is Role.LEADING)
    held = two.arrive("s")
    await asyncio.sleep(1.5)
    assert held.is_held
    await three.coordinator.call(Call(method="POST", path="resume", body=b"s"))
    await until(lambda: held.outcome is Outcome.ADMITTED)


async def test_while_nobody_leads_a_replica_tells_and_changes_nothing(gather: Gather) -> None:
    (one,) = await gather(1)
    one.coordinator.apply(Drain())
    await until(lambda: one.role is Role.FOLLOWING and not one.coordinator.status.leader)
    assert (await one.coordinator.call(WHO)).body == b"r0"
    with pytest.raises(LeaderSilent, match="No gateway leads"):
        await one.coordinator.call(PAUSE)


async def test_messages_of_another_version_are_passed_over(gather: Gather, redis: RedisServer) -> None:
    one, two = await gather(2, window=4.0)
    stream = f"{{{one.prefix}}}:{PROTOCOL}:in:{two.coordinator.upkeep._term.name}"
    redis.client.xadd(stream, {"b": msgspec.msgpack.encode([two.name, 1, [["Unheard", "of"]]])})
    first = await two.admitted("s")
    two.finish(first)
    await two.admitted("t")
    assert (await two.coordinator.call(WHO)).body == one.name.encode()


SET = (
    ManualSettings()
    .with_server("http://b")
    .with_window("a", ManualWindow(sessions=None, budget=Budget(tokens=5.0)))
    .with_law("a", ManualLaw(name="static", options={"window": 3, "fast": True}))
)


async def test_whoever_leads_answers_for_all_and_what_people_set_is_every_replica_s(gather: Gather) -> None:
    one, two = await gather(2)
    one.coordinator.set_manual(SET)
    assert one.manual[-1] == SET
    await until(lambda: two.manual[-1:] == [SET])
    (three,) = [member for member in await gather(1, also=[one, two]) if member not in (one, two)]
    await until(lambda: three.coordinator.manual == SET)
    for member in (one, two, three):
        assert (await member.coordinator.call(WHO)).body == b"r0"
    await one.vanish()
    with pytest.raises(LeaderSilent, match=r"r0|out of reach"):
        await two.coordinator.call(WHO)
    await until(lambda: two.role is Role.LEADING or three.role is Role.LEADING)
    leader = leader_of([two, three])
    await until(lambda: {two.coordinator.status.leader, three.coordinator.status.leader} == {"", leader.name})
    for member in (two, three):
        assert (await member.coordinator.call(WHO)).body == leader.name.encode()
        assert member.coordinator.manual == SET
    leader.coordinator.set_manual(SET.with_window("a", None))
    await until(lambda: "a" not in two.coordinator.manual.windows and "a" not in three.coordinator.manual.windows)


async def test_what_people_set_is_forgotten_with_the_last_replica(gather: Gather) -> None:
    one, two = await gather(2)
    one.coordinator.set_manual(SET)
    await one.coordinator.stop()
    await until(lambda: two.role is Role.LEADING)
    assert two.coordinator.manual == SET
    await two.coordinator.stop()
    (three,) = [member for member in await gather(1, also=[one, two]) if member not in (one, two)]
    assert three.role is Role.LEADING
    assert three.coordinator.manual == ManualSettings()


async def test_an_engine_is_needed_until_the_leader_has_none_of_its_requests(gather: Gather) -> None:
    one, two = await gather(2, window=4.0, engines=("a", "b"))
    ticket = await two.admitted("s")
    for member in (one, two):
        member.coordinator.apply(RetireEngine(engine=ticket.engine))
    assert ticket.engine not in two.coordinator.fleet.gates
    assert two.coordinator.needs(ticket.engine)
    two.finish(ticket)
    await until(lambda: not one.coordinator.needs(ticket.engine) and not two.coordinator.needs(ticket.engine))


async def test_a_hold_ends_on_a_follower_as_well(gather: Gather) -> None:
    one, two = await gather(2, window=1.0)
    await two.admitted("s")
    late = two.arrive("t", hold_s=0.2)

    def is_over() -> bool:
        one.coordinator.expire()
        return late.outcome is Outcome.HOLD_TIMEOUT

    await until(is_over)


async def test_when_the_leader_goes_another_leads_with_all_that_was_known(gather: Gather) -> None:
    one, two, three = await gather(3, window=2.0, engines=("a",))
    idle = await one.admitted("idle")
    one.finish(idle)
    busy = await two.admitted("busy")
    held = three.arrive("held")
    one.coordinator.apply(Resize(engine="a", window=2.0, budget=Budget(tokens=5_000.0)))
    await asyncio.sleep(0.4)  # the state is saved
    await one.coordinator.stop()
    await until(lambda: any(member.role is Role.LEADING for member in (two, three)))
    leader = leader_of([two, three])
    await until(lambda: leader.coordinator.member.leader.replicas >= {"r1", "r2"})
    snapshot = leader.coordinator.fleet.gates["a"].snapshot()
    assert (snapshot.active, snapshot.in_flight, snapshot.held) == (2, 1, 1)
    assert snapshot.budget_tokens == 5_000.0
    assert leader.laws[-1] == {"a": {"factor": 0.5}}
    leader.coordinator.apply(EndSession(key="idle"))
    await until(lambda: held.outcome is Outcome.ADMITTED)
    two.finish(busy)
    three.finish(held)
    await until(lambda: leader.coordinator.fleet.gates["a"].snapshot().in_flight == 0)


async def test_the_next_leader_begins_with_the_leases_that_were_learnt(gather: Gather) -> None:
    one, two = await gather(2, lease_s=None)
    for _ in range(2 * LearnedLease.ENOUGH + 2):
        one.finish(await one.admitted("s"))
    learnt = one.coordinator.fleet.gates["a"].snapshot().lease_s
    assert learnt < LearnedLease.FIRST_S
    await one.coordinator.stop()
    await until(lambda: two.role is Role.LEADING)
    assert two.coordinator.fleet.gates["a"].snapshot().lease_s == learnt


async def test_a_crashed_leader_s_requests_give_their_places_up_within_a_bound(gather: Gather) -> None:
    one, two, three = await gather(3, window=1.0)
    await one.admitted(None)  # a request of no session: nothing holds its place once it is gone
    held = two.arrive("t")
    await one.vanish()
    await until(lambda: held.outcome is Outcome.ADMITTED)
    leader = leader_of([two, three])
    assert leader.coordinator.fleet.gates["a"].snapshot().in_flight == 1


async def test_a_crashed_follower_s_requests_give_their_places_up_within_a_bound(gather: Gather) -> None:
    one, two = await gather(2, window=1.0)
    await two.admitted(None)
    held = one.arrive("t")
    await two.vanish()
    await until(lambda: held.outcome is Outcome.ADMITTED)


async def test_a_follower_s_last_message_may_be_lost_without_a_place_being_lost(
    gather: Gather, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = await gather(2, window=1.0)
    ticket = await two.admitted("s")
    link = two.coordinator.link
    with monkeypatch.context() as patch:
        lost = asyncio.Event()
        make = link._client.pipeline

        def broken(*, transaction: bool) -> object:
            pipeline = make(transaction=transaction)

            async def execute() -> None:
                lost.set()
                raise RedisTimeout

            pipeline.execute = execute  # type: ignore[assignment, method-assign]
            return pipeline

        patch.setattr(link._client, "pipeline", broken)
        two.finish(ticket)
        await lost.wait()
    await until(lambda: one.coordinator.fleet.gates["a"].snapshot().in_flight == 0)  # though no other message follows


async def test_a_draining_leader_hands_over_and_its_answers_in_flight_end_well(gather: Gather) -> None:
    one, two = await gather(2, window=1.0)
    busy = await one.admitted("s")
    held = one.arrive("t")
    one.coordinator.apply(Drain())
    assert held.outcome is Outcome.DRAINING
    assert (one.arrive("u")).outcome is Outcome.DRAINING
    await until(lambda: two.role is Role.LEADING)
    await until(lambda: two.coordinator.fleet.gates["a"].snapshot().in_flight == 1)
    again = two.arrive("t")
    one.finish(busy, client_gone=True)
    await until(lambda: again.outcome is Outcome.ADMITTED)


async def test_a_follower_that_stops_leaves_the_leader_its_term(gather: Gather) -> None:
    one, two = await gather(2)
    await two.coordinator.stop()
    roles = len(one.laws)
    await asyncio.sleep(1.0)  # two beats
    assert (one.role, len(one.laws)) == (Role.LEADING, roles)


async def test_the_last_words_of_a_replica_that_stops_are_heard(gather: Gather) -> None:
    one, two = await gather(2, window=1.0)
    busy = await two.admitted("s")
    two.finish(busy)
    two.coordinator.apply(EndSession(key="s"))
    await two.coordinator.stop()
    await until(lambda: one.coordinator.fleet.gates["a"].snapshot().active == 0)


async def test_without_redis_each_goes_on_in_its_share_and_afterwards_all_are_one_again(gather: Gather) -> None:
    with RedisServer() as own:
        one, two = await gather(2, url=own.url, window=4.0)
        busy = await two.admitted("s")
        await asyncio.sleep(0.4)  # the windows are known to all
        own.kill()
        await until(lambda: one.role is two.role is Role.ALONE)
        assert two.coordinator.fleet.gates["a"].snapshot().window == 2.0
        assert two.coordinator.fleet.gates["a"].snapshot().in_flight == 1
        await two.admitted("t")
        held = two.arrive("u")
        assert held.is_held
        own.start()  # and knows nothing any more
        await until(lambda: {one.role, two.role} == {Role.LEADING, Role.FOLLOWING})
        leader = leader_of([one, two])
        await until(lambda: held.outcome is Outcome.ADMITTED)
        await until(lambda: leader.coordinator.fleet.gates["a"].snapshot().in_flight == 3)
        two.finish(busy)
        await until(lambda: leader.coordinator.fleet.gates["a"].snapshot().in_flight == 2)


async def test_a_frozen_redis_is_as_good_as_none_and_places_are_counted_once_afterwards(gather: Gather) -> None:
    with RedisServer() as own:
        one, two = await gather(2, url=own.url, window=2.0)
        tickets = [await two.admitted("s"), await one.admitted("t")]
        await asyncio.sleep(0.4)
        own.freeze()
        await until(lambda: one.role is two.role is Role.ALONE)
        two.finish(tickets[0])
        for member in (one, two):
            member.coordinator.set_manual(SET)
        own.thaw()
        await until(lambda: {one.role, two.role} == {Role.LEADING, Role.FOLLOWING})
        leader = leader_of([one, two])
        await until(lambda: leader.coordinator.member.leader.replicas == {"r0", "r1"})
        assert leader.coordinator.fleet.gates["a"].snapshot().in_flight == 1
        assert leader.manual[-1] == SET, "what the next leader set itself is later than the saved settings"


async def test_a_redis_without_memory_left_is_as_good_as_none(gather: Gather) -> None:
    with RedisServer() as own:
        one, two = await gather(2, url=own.url, window=2.0)
        ticket = await two.admitted("s")
        own.client.config_set("maxmemory", "1")
        await until(lambda: one.role is two.role is Role.ALONE)
        await one.admitted("t")
        own.client.config_set("maxmemory", "0")
        await until(lambda: {one.role, two.role} == {Role.LEADING, Role.FOLLOWING})
        leader = leader_of([one, two])
        await until(lambda: leader.coordinator.fleet.gates["a"].snapshot().in_flight == 2)
        two.finish(ticket)
        await until(lambda: leader.coordinator.fleet.gates["a"].snapshot().in_flight == 1)
