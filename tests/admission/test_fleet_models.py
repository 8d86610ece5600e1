from concur_proxy.admission.changes import EndSession, Reachable, Serve
from tests.admission.fleets import FleetScene


def _served(**models: list[str]) -> FleetScene:
    scene = FleetScene(*models)
    for engine, names in models.items():
        scene.fleet.apply(Serve(engine=engine, models=names), now=0.0)
    return scene


def test_a_session_is_placed_on_an_engine_that_serves_its_model() -> None:
    scene = _served(a=["one"], b=["two"])
    assert scene.arrive("x", model="two").engine == "b"
    assert scene.arrive("y", model="one").engine == "a"
    held = scene.arrive("z", model="two")
    assert (held.is_held, scene.home("z")) == (True, "b")


def test_a_new_session_is_not_given_to_an_engine_without_its_model() -> None:
    scene = _served(a=["one"], b=["two"], c=["two"])
    scene.arrive("x", model="one")
    running = {key: scene.arrive(key, model="two") for key in "yz"}
    one, two = scene.arrive("v", model="one"), scene.arrive("w", model="two")
    assert [scene.home(key) for key in "vw"] == ["a", "b"]
    scene.fleet.apply(EndSession(key="z"), now=0.0)
    assert scene.finish(running["z"]) == [two]
    assert (two.engine, one.is_held) == ("c", True)


def test_a_model_that_nobody_serves_goes_where_any_goes_so_that_an_engine_says_so() -> None:
    scene = _served(a=["one"], b=["two"])
    assert scene.arrive("x", model="three").engine == "a"
    assert scene.fleet.candidates("three") == ["a", "b"]
    assert scene.fleet.candidates("two") == ["b"]


def test_a_session_that_asks_for_a_second_model_elsewhere_is_two_sessions_and_ends_as_one() -> None:
    scene = _served(a=["one"], b=["two"])
    first, second = scene.arrive("x", model="one"), scene.arrive("x", model="two")
    assert [first.engine, second.engine] == ["a", "b"]
    assert scene.arrive("x", model="one").session is first.session
    assert scene.arrive("x", model="two").session is second.session
    scene = _served(a=["one"], b=["two"])
    for model in ("one", "two"):
        scene.finish(scene.arrive("x", model=model))
    scene.fleet.apply(EndSession(key="x"), now=0.0)
    assert not any(len(gate.sessions) for gate in scene.fleet.gates.values())


def test_models_that_the_same_engines_serve_share_a_session() -> None:
    scene = _served(a=["one", "small"], b=["two"])
    assert scene.arrive("x", model="one").session is scene.arrive("x", model="small").session


def test_a_session_of_a_dead_engine_moves_only_to_one_with_its_model() -> None:
    scene = _served(a=["one"], b=["two"], c=["one"])
    scene.finish(scene.arrive("x", model="one"))
    scene.fleet.apply(Reachable(engine="a", is_up=False), now=0.0)
    assert scene.arrive("x", model="one").engine == "c"
    scene.fleet.apply(Reachable(engine="b", is_up=False), now=0.0)
    assert scene.arrive("y", model="two").engine == "b"


def test_who_waits_for_an_engine_that_turns_out_not_to_serve_the_model_moves() -> None:
    scene = FleetScene("a", "b")
    running = [scene.arrive("x", model="one"), scene.arrive("y", model="two")]
    held = [scene.arrive("z", model="two"), scene.arrive("w", model="two")]
    assert [scene.home(key) for key in "zw"] == ["a", "b"]
    scene.fleet.apply(Serve(engine="a", models=["one"]), now=0.0)
    scene.fleet.apply(Serve(engine="b", models=["two"]), now=0.0)
    scene.pass_time(0.0)
    assert {scene.home(key) for key in "zw"} == {"b"}
    scene.fleet.apply(EndSession(key="x"), now=0.0)
    assert scene.finish(running[0]) == []
    scene.fleet.apply(EndSession(key="y"), now=0.0)
    assert scene.finish(running[1]) == [held[0]]


def test_an_idle_session_whose_engine_lost_its_model_moves_with_its_next_request() -> None:
    scene = _served(a=["one", "lora"], b=["one", "lora"])
    scene.finish(scene.arrive("x", model="lora"))
    scene.fleet.apply(Serve(engine="a", models=["one"]), now=0.0)
    assert scene.arrive("x", model="lora").engine == "b"
