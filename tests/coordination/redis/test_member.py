"""Several replicas over one real Redis, in one process; what fails is Redis or a replica's connection to it."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from secrets import token_hex

import msgspec
import pytest

from concur_proxy.admission.arrival import Answered, Arrival
from concur_proxy.admission.lease import LearnedLease
from concur_proxy.admission.outcome import Outcome
from concur_proxy.admission.steering import Steering
from concur_proxy.admission.ticket import Ticket
from concur_proxy.control.law import Budget
from concur_proxy.coordination.backends.redis import RedisStore, build
from concur_proxy.coordination.protocol.by_hand import ByHand, HandLaw, HandWindow
from concur_proxy.coordination.protocol.messages import Call, Reply
from concur_proxy.coordination.role import Role
from concur_proxy.coordination.store import LeaderSilent, StoreParts
from tests.coordination.fleets import make_fleet
from tests.coordination.redis_server import RedisServer

WAIT_S = 15.0
WHO = Call(method="GET", path="who")
PAUSE = Call(method="POST", path="pause", body=b"s")


class Member:
    """One replica, and what it has been told."""

    def __init__(
        self, url: str, prefix: str, name: str, *, window: float, engines: tuple[str, ...], lease_s: float | None
    ) -> None:
        self.name = name
        self.prefix = prefix
        self.told: list[Ticket] = []
        self.laws: list[dict[str, dict[str, float]]] = []
        self.by_hand: list[ByHand] = []
        parts = StoreParts(
            make_fleet=lambda after: make_fleet(engines=engines, window=window, lease_s=lease_s, after=after),
            clock=time.monotonic,
            url=url,
            prefix=prefix,
            replica=name,
            law_states=lambda: {"a": {"factor": 0.5}},
        )
        self.store: RedisStore = build(parts)
        self.store.on_decided(self.told.extend)
        self.store.on_by_hand(self.by_hand.append)
        self.store.on_call(self._do)
        self.store.on_role(lambda _, states: self.laws.append({k: dict(v) for k, v in states.items()}))

    def arrive(self, key: str | None, *, hold_s: float = 60.0) -> Ticket:
        return self.store.arrive(Arrival(key=key, body_bytes=400, hold_s=hold_s))

    async def admitted(self, key: str | None) -> Ticket:
        ticket = self.arrive(key)
        await until(lambda: not ticket.is_held)
        assert ticket.outcome is Outcome.ADMITTED
        return ticket

    def finish(self, ticket: Ticket, *, client_gone: bool = False) -> None:
        self.store.finish(ticket, Answered(prompt_tokens=100, completion_tokens=10, client_gone=client_gone))

    def _do(self, call: Call) -> Reply:
        """A call's path says what is to be done to the session that its body names."""
        if call.method == "GET":
            return Reply(status=200, body=self.name.encode())
        known = self.store.steer(call.body.decode(), Steering(call.path))
        return Reply(status=200 if known else 404, body=b"{}")

    async def vanish(self) -> None:
        """As a crash would: nothing is handed over."""
        await self.store.upkeep.vanish()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not condition():
            await asyncio.sleep(0.01)


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
            await members[-1].store.start()
        if also:
            return members
        await until(lambda: len(leader_of(members).store.member.leader.replicas) == count)
        return members

    yield gather
    await asyncio.gather(*(member.store.stop() for member in members))


def leader_of(members: list[Member]) -> Member:
    (leader,) = [member for member in members if member.store.role is Role.LEADING]
    return leader


async def test_one_leads_and_the_window_is_one_for_all(gather: Gather) -> None:
    one, two, three = await gather(3, window=2.0)
    assert [member.store.role for member in (one, two, three)] == [Role.LEADING, Role.FOLLOWING, Role.FOLLOWING]
    first, second = await two.admitted("s"), await three.admitted("t")
    held = one.arrive("u")
    await asyncio.sleep(0.1)
    assert held.is_held
    assert one.store.gates["a"].snapshot().in_flight == 2
    two.finish(first, client_gone=True)
    await until(lambda: held.outcome is Outcome.ADMITTED)
    three.finish(second)
    assert Counter(map(id, one.told + two.told + three.told)).most_common(1)[0][1] == 1


async def test_any_replica_takes_any_request_of_a_session(gather: Gather) -> None:
    one, two, three = await gather(3, window=1.0)
    for member in (one, two, three, two):
        ticket = await member.admitted("s")
        member.finish(ticket)
    assert leader_of([one, two, three]).store.gates["a"].snapshot().active == 1


async def test_a_follower_hears_its_place_in_the_line(gather: Gather) -> None:
    _, two = await gather(2, window=1.0)
    await two.admitted("s")
    two.arrive("t")
    last = two.arrive("u")
    await until(lambda: two.store.expected_wait(last)[0] == 2)


async def test_what_a_person_does_on_a_follower_reaches_the_leader_and_outlives_it(gather: Gather) -> None:
    one, two, three = await gather(3, window=4.0)
    assert (one.store.leader, two.store.leader) == ("", one.name)
    assert (await two.store.call(PAUSE)).status == 404
    two.finish(await two.admitted("s"))
    assert (await two.store.call(PAUSE)).status == 200
    session = one.store.gates["a"].sessions.get("s")
    assert session is not None
    assert session.stopped
    await asyncio.sleep(1.0)  # it is written down for the next leader
    await one.vanish()
    await until(lambda: two.store.role is Role.LEADING or three.store.role is Role.LEADING)
    held = two.arrive("s")
    await asyncio.sleep(1.5)
    assert held.is_held
    await three.store.call(Call(method="POST", path="resume", body=b"s"))
    await until(lambda: held.outcome is Outcome.ADMITTED)


async def test_while_nobody_leads_a_replica_tells_and_changes_nothing(gather: Gather) -> None:
    (one,) = await gather(1)
    one.store.drain()
    await until(lambda: one.store.role is Role.FOLLOWING and not one.store.leader)
    assert (await one.store.call(WHO)).body == b"r0"
    with pytest.raises(LeaderSilent, match="No gateway leads"):
        await one.store.call(PAUSE)


async def test_messages_of_another_version_are_passed_over(gather: Gather, redis: RedisServer) -> None:
    one, two = await gather(2, window=4.0)
    stream = f"{{{one.prefix}}}:in:{two.store.upkeep._term.name}"
    redis.client.xadd(stream, {"b": msgspec.msgpack.encode([two.name, 1, [["Unheard", "of"]]])})
    first = await two.admitted("s")
    two.finish(first)
    await two.admitted("t")
    assert (await two.store.call(WHO)).body == one.name.encode()


SET = (
    ByHand()
    .with_server("http://b")
    .with_window("a", HandWindow(sessions=None, budget=Budget(tokens=5.0)))
    .with_law("a", HandLaw(name="static", options={"window": 3, "fast": True}))
)


async def test_whoever_leads_answers_for_all_and_what_people_set_is_every_replica_s(gather: Gather) -> None:
    one, two = await gather(2)
    one.store.set_by_hand(SET)
    assert one.by_hand[-1] == SET
    await until(lambda: two.by_hand[-1:] == [SET])
    (three,) = [member for member in await gather(1, also=[one, two]) if member not in (one, two)]
    await until(lambda: three.store.by_hand == SET)
    for member in (one, two, three):
        assert (await member.store.call(WHO)).body == b"r0"
    await one.vanish()
    with pytest.raises(LeaderSilent, match=r"r0|out of reach"):
        await two.store.call(WHO)
    await until(lambda: two.store.role is Role.LEADING or three.store.role is Role.LEADING)
    leader = leader_of([two, three])
    await until(lambda: {two.store.leader, three.store.leader} == {"", leader.name})
    for member in (two, three):
        assert (await member.store.call(WHO)).body == leader.name.encode()
        assert member.store.by_hand == SET
    leader.store.set_by_hand(SET.with_window("a", None))
    await until(lambda: "a" not in two.store.by_hand.windows and "a" not in three.store.by_hand.windows)


async def test_what_people_set_is_forgotten_with_the_last_replica(gather: Gather) -> None:
    one, two = await gather(2)
    one.store.set_by_hand(SET)
    await one.store.stop()
    await until(lambda: two.store.role is Role.LEADING)
    assert two.store.by_hand == SET
    await two.store.stop()
    (three,) = [member for member in await gather(1, also=[one, two]) if member not in (one, two)]
    assert three.store.role is Role.LEADING
    assert three.store.by_hand == ByHand()


async def test_an_engine_is_needed_until_the_leader_has_none_of_its_requests(gather: Gather) -> None:
    one, two = await gather(2, window=4.0, engines=("a", "b"))
    ticket = await two.admitted("s")
    for member in (one, two):
        member.store.retire_engine(ticket.engine)
    assert ticket.engine not in two.store.gates
    assert two.store.needs(ticket.engine)
    two.finish(ticket)
    await until(lambda: not one.store.needs(ticket.engine) and not two.store.needs(ticket.engine))


async def test_a_hold_ends_on_a_follower_as_well(gather: Gather) -> None:
    one, two = await gather(2, window=1.0)
    await two.admitted("s")
    late = two.arrive("t", hold_s=0.2)

    def is_over() -> bool:
        one.store.expire()
        return late.outcome is Outcome.HOLD_TIMEOUT

    await until(is_over)


async def test_when_the_leader_goes_another_leads_with_all_that_was_known(gather: Gather) -> None:
    one, two, three = await gather(3, window=2.0, engines=("a",))
    idle = await one.admitted("idle")
    one.finish(idle)
    busy = await two.admitted("busy")
    held = three.arrive("held")
    one.store.resize("a", 2.0, Budget(tokens=5_000.0))
    await asyncio.sleep(0.4)  # written down
    await one.store.stop()
    await until(lambda: any(member.store.role is Role.LEADING for member in (two, three)))
    leader = leader_of([two, three])
    await until(lambda: leader.store.member.leader.replicas >= {"r1", "r2"})
    snapshot = leader.store.gates["a"].snapshot()
    assert (snapshot.active, snapshot.in_flight, snapshot.held) == (2, 1, 1)
    assert snapshot.budget_tokens == 5_000.0
    assert leader.laws[-1] == {"a": {"factor": 0.5}}
    leader.store.end("idle")
    await until(lambda: held.outcome is Outcome.ADMITTED)
    two.finish(busy)
    three.finish(held)
    await until(lambda: leader.store.gates["a"].snapshot().in_flight == 0)


async def test_the_next_leader_begins_with_the_leases_that_were_learnt(gather: Gather) -> None:
    one, two = await gather(2, lease_s=None)
    for _ in range(LearnedLease.ENOUGH + 1):
        one.finish(await one.admitted("s"))
    learnt = one.store.gates["a"].snapshot().lease_s
    assert learnt < LearnedLease.FIRST_S
    await one.store.stop()
    await until(lambda: two.store.role is Role.LEADING)
    assert two.store.gates["a"].snapshot().lease_s == learnt


async def test_a_crashed_leader_s_requests_give_their_places_up_within_a_bound(gather: Gather) -> None:
    one, two, three = await gather(3, window=1.0)
    await one.admitted(None)  # a request of no session: nothing holds its place once it is gone
    held = two.arrive("t")
    await one.vanish()
    await until(lambda: held.outcome is Outcome.ADMITTED)
    leader = leader_of([two, three])
    assert leader.store.gates["a"].snapshot().in_flight == 1


async def test_a_crashed_follower_s_requests_give_their_places_up_within_a_bound(gather: Gather) -> None:
    one, two = await gather(2, window=1.0)
    await two.admitted(None)
    held = one.arrive("t")
    await two.vanish()
    await until(lambda: held.outcome is Outcome.ADMITTED)


async def test_a_draining_leader_hands_over_and_its_answers_in_flight_end_well(gather: Gather) -> None:
    one, two = await gather(2, window=1.0)
    busy = await one.admitted("s")
    held = one.arrive("t")
    one.store.drain()
    assert held.outcome is Outcome.DRAINING
    assert (one.arrive("u")).outcome is Outcome.DRAINING
    await until(lambda: two.store.role is Role.LEADING)
    await until(lambda: two.store.gates["a"].snapshot().in_flight == 1)
    again = two.arrive("t")
    one.finish(busy, client_gone=True)
    await until(lambda: again.outcome is Outcome.ADMITTED)


async def test_a_follower_that_stops_leaves_the_leader_its_term(gather: Gather) -> None:
    one, two = await gather(2)
    await two.store.stop()
    roles = len(one.laws)
    await asyncio.sleep(1.0)  # two beats
    assert (one.store.role, len(one.laws)) == (Role.LEADING, roles)


async def test_the_last_words_of_a_replica_that_stops_are_heard(gather: Gather) -> None:
    one, two = await gather(2, window=1.0)
    busy = await two.admitted("s")
    two.finish(busy)
    two.store.end("s")
    await two.store.stop()
    await until(lambda: one.store.gates["a"].snapshot().active == 0)


async def test_without_redis_each_goes_on_in_its_share_and_afterwards_all_are_one_again(gather: Gather) -> None:
    with RedisServer() as own:
        one, two = await gather(2, url=own.url, window=4.0)
        busy = await two.admitted("s")
        await asyncio.sleep(0.4)  # the windows are known to all
        own.kill()
        await until(lambda: one.store.role is two.store.role is Role.ALONE)
        assert two.store.gates["a"].snapshot().window == 2.0
        assert two.store.gates["a"].snapshot().in_flight == 1
        await two.admitted("t")
        held = two.arrive("u")
        assert held.is_held
        own.start()  # and knows nothing any more
        await until(lambda: {one.store.role, two.store.role} == {Role.LEADING, Role.FOLLOWING})
        leader = leader_of([one, two])
        await until(lambda: held.outcome is Outcome.ADMITTED)
        await until(lambda: leader.store.gates["a"].snapshot().in_flight == 3)
        two.finish(busy)
        await until(lambda: leader.store.gates["a"].snapshot().in_flight == 2)


async def test_a_frozen_redis_is_as_good_as_none_and_places_are_counted_once_afterwards(gather: Gather) -> None:
    with RedisServer() as own:
        one, two = await gather(2, url=own.url, window=2.0)
        tickets = [await two.admitted("s"), await one.admitted("t")]
        await asyncio.sleep(0.4)
        own.freeze()
        await until(lambda: one.store.role is two.store.role is Role.ALONE)
        two.finish(tickets[0])
        for member in (one, two):
            member.store.set_by_hand(SET)
        own.thaw()
        await until(lambda: {one.store.role, two.store.role} == {Role.LEADING, Role.FOLLOWING})
        leader = leader_of([one, two])
        await until(lambda: leader.store.member.leader.replicas == {"r0", "r1"})
        assert leader.store.gates["a"].snapshot().in_flight == 1
        assert leader.by_hand[-1] == SET, "what the next leader set itself is later than what is written down"


async def test_a_redis_without_memory_left_is_as_good_as_none(gather: Gather) -> None:
    with RedisServer() as own:
        one, two = await gather(2, url=own.url, window=2.0)
        ticket = await two.admitted("s")
        own.client.config_set("maxmemory", "1")
        await until(lambda: one.store.role is two.store.role is Role.ALONE)
        await one.admitted("t")
        own.client.config_set("maxmemory", "0")
        await until(lambda: {one.store.role, two.store.role} == {Role.LEADING, Role.FOLLOWING})
        leader = leader_of([one, two])
        await until(lambda: leader.store.gates["a"].snapshot().in_flight == 2)
        two.finish(ticket)
        await until(lambda: leader.store.gates["a"].snapshot().in_flight == 1)
