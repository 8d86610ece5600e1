from concur_proxy.admission.roster import Roster


def test_engines_that_are_up_take_sessions_and_those_that_are_down_lose_theirs() -> None:
    roster = Roster("abc")
    assert (roster.candidates(), roster.lost(), set(roster.down)) == (["a", "b", "c"], [], set())
    roster.mark_down("b")
    assert (roster.candidates(), roster.lost(), set(roster.down)) == (["a", "c"], ["b"], {"b"})
    assert [roster.takes(engine) for engine in "abc"] == [True, False, True]
    assert [roster.is_lost(engine) for engine in "abc"] == [False, True, False]
    roster.mark_up("b")
    assert roster.candidates() == ["a", "b", "c"]


def test_where_every_engine_is_down_sessions_stay_where_they_are() -> None:
    roster = Roster("ab")
    roster.mark_down("a")
    roster.mark_down("b")
    assert (roster.candidates(), roster.lost(), roster.is_lost("a")) == (["a", "b"], [], False)
