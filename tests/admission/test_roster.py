from concur_proxy.admission.roster import Roster


def test_engines_that_are_up_take_sessions_and_those_that_are_down_lose_theirs() -> None:
    roster = Roster("abc")
    assert (roster.candidates(), set(roster.down)) == (["a", "b", "c"], set())
    roster.mark_down("b")
    assert (roster.candidates(), set(roster.down)) == (["a", "c"], {"b"})
    assert [roster.takes(engine, "m") for engine in "abc"] == [True, False, True]
    assert [roster.has_lost(engine, None) for engine in "abc"] == [False, True, False]
    roster.mark_up("b")
    assert roster.candidates() == ["a", "b", "c"]


def test_where_every_engine_is_down_sessions_stay_where_they_are() -> None:
    roster = Roster("ab")
    roster.mark_down("a")
    roster.mark_down("b")
    assert (roster.candidates(), roster.has_lost("a", None)) == (["a", "b"], False)


def test_a_model_goes_where_it_is_served() -> None:
    roster = Roster("abc")
    assert roster.serve("a", ["base", "lora"])
    assert not roster.serve("a", ["lora", "base"]), "the order of a list means nothing"
    roster.serve("b", ["base"])
    roster.serve("c", ["other"])
    assert [roster.candidates(model) for model in ("base", "lora", "other")] == [["a", "b"], ["a"], ["c"]]
    assert set(roster.models) == {"base", "lora", "other"}
    assert (roster.takes("b", "lora"), roster.serves("a", "lora"), roster.is_uniform) == (False, True, False)


def test_a_model_that_nobody_lists_goes_to_engines_with_unknown_lists_else_to_all() -> None:
    roster = Roster("abc")
    roster.serve("a", ["base"])
    assert roster.candidates("never heard") == ["b", "c"]
    assert roster.candidates("base") == ["a", "b", "c"], "an unknown list may hold it"
    for engine in "bc":
        roster.serve(engine, ["base"])
    assert roster.is_uniform
    assert roster.candidates("never heard") == ["a", "b", "c"]
    assert roster.candidates() == ["a", "b", "c"]
    assert roster.serve("b", None)
    assert roster.candidates("never heard") == ["b"]


def test_a_model_whose_only_engine_is_down_goes_there_all_the_same() -> None:
    roster = Roster("ab")
    roster.serve("a", ["one"])
    roster.serve("b", ["two"])
    roster.mark_down("a")
    assert roster.candidates("one") == ["a"]
    assert not roster.has_lost("a", "one")
    assert roster.has_lost("a", "two")
    assert not roster.has_lost("b", "two")


def test_models_are_alike_that_the_same_engines_serve() -> None:
    roster = Roster("ab")
    roster.serve("a", ["base", "small", "lora"])
    roster.serve("b", ["base", "small"])
    assert roster.are_alike("base", "small")
    assert roster.are_alike(None, "base")
    assert not roster.are_alike("base", "lora")
