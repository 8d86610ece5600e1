"""The contract of every coordinator. A coordinator may need time to decide, so these tests wait for the results that
they expect. Time is a clock that the tests move.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from secrets import token_hex

import pytest

from concur_proxy.admission.arrival import Answered, Arrival
from concur_proxy.admission.changes import AddEngine, Drain, EndSession, Observe, Reachable, Resize, RetireEngine, Serve
from concur_proxy.admission.fleet import Fleet
from concur_proxy.admission.limits import EngineLoad
from concur_proxy.admission.outcome import Outcome
from concur_proxy.admission.ticket import Ticket
from concur_proxy.coordination.coordinator import CoordinatorParts, Listener
from concur_proxy.coordination.group.coordinator import GroupCoordinator
from concur_proxy.coordination.local import LocalCoordinator
from concur_proxy.coordination.protocol.manual import ManualSettings, ManualWindow
from concur_proxy.coordination.protocol.messages import Call, Reply
from concur_proxy.coordination.redis.coordinator import RedisCoordinator
from concur_proxy.coordination.responses import StoredResponse
from concur_proxy.coordination.workers.coordinator import WorkersCoordinator
from concur_proxy.coordination.workers.door import Door
from tests.coordination.fleets import make_fleet
from tests.coordination.redis_server import RedisServer

ROOM = EngineLoad(running=1, waiting=0, kv_usage=0.0, capacity_tokens=100_000)


MAKERS: dict[str, Callable[[CoordinatorParts, Door], LocalCoordinator | GroupCoordinator]] = {
    "memory": lambda parts, _: LocalCoordinator(parts.make_fleet(0), parts.clock),
    "workers": WorkersCoordinator,
    "redis": lambda parts, _: RedisCoordinator(parts),
}
"""By what its gateways share."""


class Scene:
    """A coordinator and its clock."""

    def __init__(self, name: str, fleet: Fleet, url: str = "") -> None:
        self.now = 1000.0
        self.door = Door()
        parts = CoordinatorParts(
            make_fleet=lambda _: fleet, clock=lambda: self.now, url=url, prefix=token_hex(4), replica="r"
        )
        self.coordinator = MAKERS[name](parts, self.door)

    def arrive(self, key: str | None, *, hold_s: float = 60.0) -> Ticket:
        """A request of this session."""
        return self.coordinator.arrive(Arrival(key=key, body_bytes=400, hold_s=hold_s))

    def finish(self, ticket: Ticket, *, client_gone: bool = False) -> None:
        """Its answer has ended."""
        self.coordinator.finish(ticket, Answered(prompt_tokens=100, completion_tokens=10, client_gone=client_gone))

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until the condition is true."""
        async with asyncio.timeout(5):
            while not condition():
                await asyncio.sleep(0)

    async def decided(self, ticket: Ticket) -> Outcome:
        """How the ticket's wait ends."""
        assert await self.coordinator.wait(ticket, timeout_s=5)
        assert ticket.outcome is not None
        return ticket.outcome


@pytest.fixture(params=MAKERS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


OpenScene = Callable[[Fleet], Awaitable[Scene]]


@pytest.fixture(name="open_scene")
async def _open_scene(name: str, redis: RedisServer) -> AsyncIterator[OpenScene]:
    scenes: list[Scene] = []

    async def open_scene(fleet: Fleet) -> Scene:
        scenes.append(Scene(name, fleet, redis.url))
        await scenes[-1].coordinator.start()
        return scenes[-1]

    yield open_scene
    for scene in scenes:
        await scene.coordinator.stop()
        scene.door.close()


@pytest.fixture
async def scene(open_scene: OpenScene) -> Scene:
    return await open_scene(make_fleet(window=1.0, lease_s=5.0))


async def test_a_session_is_admitted_under_the_window(scene: Scene) -> None:
    ticket = scene.arrive("s")
    assert await scene.decided(ticket) is Outcome.ADMITTED
    assert ticket.engine == "a"
    assert scene.coordinator.fleet.gates["a"].snapshot().active == 1


async def test_beyond_the_window_a_session_waits_until_a_place_is_free(scene: Scene) -> None:
    first = scene.arrive("s")
    second = scene.arrive("t")
    assert second.is_held
    scene.finish(first, client_gone=True)
    assert await scene.decided(second) is Outcome.ADMITTED


async def test_a_session_with_a_place_passes_at_once_with_all_its_requests(scene: Scene) -> None:
    tickets = [scene.arrive("s") for _ in range(3)]
    assert [await scene.decided(ticket) for ticket in tickets] == [Outcome.ADMITTED] * 3
    snapshot = scene.coordinator.fleet.gates["a"].snapshot()
    assert (snapshot.active, snapshot.in_flight) == (1, 3)


async def test_requests_without_a_key_are_sessions_of_their_own(scene: Scene) -> None:
    first = scene.arrive(None)
    second = scene.arrive(None)
    assert first.session is not second.session
    assert second.is_held
    scene.finish(first)
    assert await scene.decided(second) is Outcome.ADMITTED


async def test_an_abandoned_request_gives_its_claim_up(scene: Scene) -> None:
    first, gone, held = [scene.arrive(key) for key in "stu"]
    scene.coordinator.finish(gone, Answered())
    await scene.until(lambda: gone.outcome is Outcome.CLIENT_GONE)
    scene.finish(first, client_gone=True)
    assert await scene.decided(held) is Outcome.ADMITTED


async def test_finishing_and_abandoning_twice_is_the_same_as_once(scene: Scene) -> None:
    ticket = scene.arrive("s")
    for _ in range(2):
        scene.finish(ticket)
        scene.coordinator.finish(ticket, Answered())
    await scene.until(lambda: not ticket.is_in_flight)
    assert scene.coordinator.fleet.gates["a"].snapshot().in_flight == 0


async def test_the_end_of_a_session_frees_its_place_and_an_unknown_one_is_said_to_be_unknown(scene: Scene) -> None:
    first = scene.arrive("s")
    scene.finish(first)
    held = scene.arrive("t")
    assert scene.coordinator.apply(EndSession(key="nobody")) is False
    assert scene.coordinator.apply(EndSession(key="s")) is True
    assert await scene.decided(held) is Outcome.ADMITTED
    assert scene.coordinator.apply(EndSession(key="s")) is False


async def test_a_wider_window_admits_at_once(scene: Scene) -> None:
    scene.arrive("s")
    held = [scene.arrive(key) for key in "tuv"]
    scene.coordinator.apply(Resize(engine="a", window=3.0))
    assert [await scene.decided(ticket) for ticket in held[:2]] == [Outcome.ADMITTED] * 2
    assert held[2].is_held
    assert scene.coordinator.fleet.gates["a"].snapshot().window == 3.0


async def test_room_at_the_engine_admits_beyond_the_window(scene: Scene) -> None:
    scene.arrive("s")
    held = scene.arrive("t")
    scene.coordinator.apply(Observe(engine="a", load=None))
    assert held.is_held
    scene.coordinator.apply(Observe(engine="a", load=ROOM))
    assert await scene.decided(held) is Outcome.ADMITTED


async def test_time_alone_ends_a_hold_and_only_its_own(scene: Scene) -> None:
    scene.arrive("s")
    short, long = scene.arrive("t", hold_s=10.0), scene.arrive("u", hold_s=20.0)
    assert scene.coordinator.next_deadline() == 1010.0
    scene.now = 1009.9
    scene.coordinator.expire()
    assert short.is_held
    scene.now = 1010.0
    scene.coordinator.expire()
    assert await scene.decided(short) is Outcome.HOLD_TIMEOUT
    assert long.is_held
    assert scene.coordinator.next_deadline() == 1020.0


async def test_time_alone_hands_a_lapsed_lease_on(scene: Scene) -> None:
    first = scene.arrive("s")
    scene.now = 1001.0
    scene.finish(first)
    held = scene.arrive("t", hold_s=500.0)
    assert scene.coordinator.next_deadline() == 1006.0
    scene.now = 1006.0
    scene.coordinator.expire()
    assert await scene.decided(held) is Outcome.ADMITTED


async def test_with_nothing_to_wait_for_there_is_no_deadline(scene: Scene) -> None:
    assert scene.coordinator.next_deadline() is None
    scene.arrive("s")
    assert scene.coordinator.next_deadline() is None


async def test_a_full_line_refuses_at_once(open_scene: OpenScene) -> None:
    scene = await open_scene(make_fleet(max_waiting=1))
    scene.arrive("s")
    held, refused = scene.arrive("t"), scene.arrive("u")
    assert await scene.decided(refused) is Outcome.QUEUE_FULL
    assert held.is_held


async def test_a_drain_refuses_what_is_held_and_what_comes_but_not_what_is_in_flight(scene: Scene) -> None:
    first = scene.arrive("s")
    held = scene.arrive("t")
    scene.coordinator.apply(Drain())
    assert await scene.decided(held) is Outcome.DRAINING
    assert await scene.decided(scene.arrive("u")) is Outcome.DRAINING
    assert first.is_in_flight


async def test_a_place_in_the_line_and_its_wait_are_told(scene: Scene) -> None:
    scene.arrive("s")
    held = [scene.arrive(key) for key in "tuv"]
    told = [scene.coordinator.expected_wait(ticket) for ticket in held]
    assert [position for position, _ in told] == [1, 2, 3]
    waits = [seconds for _, seconds in told]
    assert waits == sorted(waits)
    assert waits[0] > 0


async def test_an_engine_that_is_down_gets_no_new_session_while_another_is_up(open_scene: OpenScene) -> None:
    scene = await open_scene(make_fleet(engines=("a", "b"), window=10.0))
    assert scene.coordinator.fleet.down == frozenset()
    scene.coordinator.apply(Reachable(engine="a", is_up=False))
    await scene.until(lambda: scene.coordinator.fleet.down == {"a"})
    assert {(scene.arrive(key)).engine for key in "stuv"} == {"b"}
    scene.coordinator.apply(Reachable(engine="a", is_up=True))
    await scene.until(lambda: scene.coordinator.fleet.down == frozenset())
    assert (scene.arrive("w")).engine == "a"


async def test_a_request_goes_only_to_an_engine_that_serves_its_model(open_scene: OpenScene) -> None:
    scene = await open_scene(make_fleet(engines=("a", "b"), window=10.0))
    assert list(scene.coordinator.fleet.candidates("m")) == ["a", "b"]
    scene.coordinator.apply(Serve(engine="a", models=["other"]))
    scene.coordinator.apply(Serve(engine="b", models=["m", "other"]))
    await scene.until(lambda: list(scene.coordinator.fleet.candidates("m")) == ["b"])
    tickets = [scene.coordinator.arrive(Arrival(key=key, hold_s=1000.0, model="m")) for key in "stu"]
    assert {ticket.engine for ticket in tickets} == {"b"}
    scene.coordinator.apply(Serve(engine="a", models=None))
    await scene.until(lambda: list(scene.coordinator.fleet.candidates("m")) == ["a", "b"])


async def test_engines_come_and_go(open_scene: OpenScene) -> None:
    scene = await open_scene(make_fleet(engines=("a",), window=1.0))
    running, held = scene.arrive("s"), scene.arrive("t")
    scene.coordinator.apply(AddEngine(engine="b"))
    scene.coordinator.expire()
    assert await scene.decided(held) is Outcome.ADMITTED
    assert held.engine == "b"
    scene.coordinator.apply(RetireEngine(engine="a"))
    assert "a" in scene.coordinator.fleet.gates, "an answer of it is in flight"
    scene.finish(running)
    await scene.until(lambda: list(scene.coordinator.fleet.gates) == ["b"])
    for engine in "ab":
        with pytest.raises(ValueError, match="engine"):
            scene.coordinator.apply(RetireEngine(engine=engine))


async def test_an_engine_is_needed_as_long_as_requests_may_be_there(open_scene: OpenScene) -> None:
    scene = await open_scene(make_fleet(engines=("a", "b"), window=1.0))
    ticket = scene.arrive("s")
    await scene.decided(ticket)
    scene.coordinator.apply(RetireEngine(engine=ticket.engine))
    assert scene.coordinator.needs("a")
    assert scene.coordinator.needs("b")
    scene.finish(ticket)
    await scene.until(lambda: not scene.coordinator.needs(ticket.engine))
    assert not scene.coordinator.needs("c")


async def test_a_call_is_answered_where_it_is_decided(scene: Scene) -> None:
    scene.coordinator.listen(
        Listener(on_call=lambda call: Reply(status=200, body=b"%s %s" % (call.method.encode(), call.body)))
    )
    assert await scene.coordinator.call(Call(method="PUT", path="/", body=b"7")) == Reply(status=200, body=b"PUT 7")


async def test_what_people_set_is_kept_and_told(scene: Scene) -> None:
    told: list[ManualSettings] = []
    scene.coordinator.listen(Listener(on_manual=told.append))
    assert scene.coordinator.manual == ManualSettings()
    manual = ManualSettings().with_window("a", ManualWindow(sessions=2.0, budget=None))
    scene.coordinator.set_manual(manual)
    assert scene.coordinator.manual == manual
    assert told[-1] == manual


async def test_a_session_stays_with_its_engine(open_scene: OpenScene) -> None:
    scene = await open_scene(make_fleet(engines=("a", "b"), window=10.0))
    homes = {key: (scene.arrive(key)).engine for key in "stuv"}
    assert set(homes.values()) == {"a", "b"}
    assert {key: (scene.arrive(key)).engine for key in "stuv"} == homes


async def test_every_wait_of_a_busy_day_ends(scene: Scene) -> None:
    tickets = [scene.arrive(f"s{n % 7}", hold_s=float(n)) for n in range(50)]
    given_up = tickets[10::9]
    waits = [asyncio.create_task(scene.coordinator.wait(ticket)) for ticket in tickets if ticket not in given_up]
    await asyncio.sleep(0)
    for ticket in given_up:
        scene.coordinator.finish(ticket, Answered())
    for second in range(1, 120):
        scene.now = 1000.0 + second
        scene.coordinator.apply(Resize(engine="a", window=1.0 + second % 3))
        scene.coordinator.expire()
        for ticket in tickets:
            if ticket.is_in_flight:
                scene.finish(ticket, client_gone=second % 2 == 0)
        await asyncio.sleep(0)
    assert await asyncio.gather(*waits) == [True] * len(waits)
    assert len(scene.coordinator.waits) == 0
    assert not any(ticket.is_held or ticket.is_in_flight for ticket in tickets)
    snapshot = scene.coordinator.fleet.gates["a"].snapshot()
    assert (snapshot.held, snapshot.in_flight, snapshot.waiting) == (0, 0, 0)


async def test_a_stored_response_is_found_by_its_id_alone(open_scene: OpenScene) -> None:
    responses = (await open_scene(make_fleet())).coordinator.responses
    responses.learn("resp_1", StoredResponse("a", "agent"))
    responses.learn("resp_2", StoredResponse("a"))
    assert await responses.find("resp_1") == StoredResponse("a", "agent")
    assert await responses.find("resp_2") == StoredResponse("a")
    assert await responses.find("resp_3") is None
