import math

from concur_proxy.admission.arrival import Answered
from concur_proxy.admission.changes import EndSession, Resize, Serve
from concur_proxy.admission.session import SessionState
from concur_proxy.admission.ticket import Ticket
from tests.admission.fleets import LEASE_S, FleetScene

MOVE_AFTER_S = 8.0


def _resuming(scene: FleetScene) -> tuple[Ticket, Ticket, Ticket]:
    """Engine `a` serves x, b serves z, and y, which was paused on a, waits to resume there."""
    senior, other = scene.arrive("x"), scene.arrive("z")
    scene.finish(scene.arrive("y"))
    assert [scene.home(key) for key in "xzy"] == ["a", "b", "a"]
    scene.fleet.apply(Resize(engine="a", window=1.0), now=scene.now)
    waiting = scene.arrive("y")
    assert waiting.is_held
    return senior, other, waiting


def test_a_paused_session_resumes_on_its_own_engine_if_that_has_room_in_time() -> None:
    scene = FleetScene("a", "b", windows={"a": 2.0}, move_after_s=MOVE_AFTER_S)
    senior, other, waiting = _resuming(scene)
    scene.fleet.apply(EndSession(key="z"), now=0.0)
    scene.finish(other)
    assert scene.fleet.next_deadline() == MOVE_AFTER_S
    scene.pass_time(MOVE_AFTER_S - 0.1)
    scene.fleet.apply(EndSession(key="x"), now=scene.now)
    assert scene.finish(senior) == [waiting]
    assert waiting.engine == "a"


def test_a_paused_session_that_has_waited_for_long_enough_resumes_where_there_is_room() -> None:
    scene = FleetScene("a", "b", windows={"a": 2.0}, move_after_s=MOVE_AFTER_S)
    _, other, waiting = _resuming(scene)
    scene.fleet.apply(EndSession(key="z"), now=0.0)
    scene.finish(other)
    assert scene.pass_time(MOVE_AFTER_S) == [waiting]
    assert (waiting.engine, waiting.session.state, waiting.promised_tokens) == ("b", SessionState.ACTIVE, 0)
    assert scene.fleet.gates["a"].counters["move", "waited"] == 1
    assert scene.fleet.next_deadline() is None


def test_it_moves_when_there_is_room_if_there_is_none_at_once_and_before_new_sessions() -> None:
    scene = FleetScene("a", "b", windows={"a": 2.0}, move_after_s=MOVE_AFTER_S)
    _, other, waiting = _resuming(scene)
    assert scene.pass_time(MOVE_AFTER_S) == []
    new = scene.arrive("w")
    assert (new.is_held, scene.home("w")) == (True, "b")
    scene.fleet.finish(new, Answered(client_gone=True), now=scene.now)
    scene.finish(other)
    late = scene.arrive("v")
    assert late.is_held
    scene.fleet.apply(EndSession(key="v"), now=scene.now)
    scene.fleet.finish(late, Answered(client_gone=True), now=scene.now)
    assert scene.pass_time(LEASE_S) == [waiting], "the idle session there has used its lease up"
    assert waiting.engine == "b"


def test_without_a_limit_it_waits_for_its_own_engine() -> None:
    scene = FleetScene("a", "b", windows={"a": 2.0}, move_after_s=math.inf)
    _, other, waiting = _resuming(scene)
    scene.fleet.apply(EndSession(key="z"), now=0.0)
    scene.finish(other)
    assert scene.pass_time(100.0) == []
    assert waiting.is_held


def test_it_moves_only_to_an_engine_that_serves_its_model() -> None:
    scene = FleetScene("a", "b", "c", windows={"a": 2.0}, move_after_s=0.0)
    for engine, models in (("a", ["m"]), ("b", ["other"]), ("c", ["m"])):
        scene.fleet.apply(Serve(engine=engine, models=models), now=0.0)
    running = [scene.arrive(key, model="m") for key in "xz"]
    scene.finish(scene.arrive("y", model="m"))
    assert [scene.home(key) for key in "xzy"] == ["a", "c", "a"]
    scene.fleet.apply(Resize(engine="a", window=1.0), now=0.0)
    waiting = scene.arrive("y", model="m")
    assert waiting.is_held
    scene.fleet.apply(EndSession(key="z"), now=0.0)
    assert scene.finish(running[1]) == [waiting]
    assert waiting.engine == "c"
