from concur_proxy.admission.arrival import Arrival
from concur_proxy.admission.tenant_totals import MOST_SHOWN, OTHERS
from concur_proxy.control.engines_wanted import EngineDemand
from concur_proxy.control.law import Budget
from concur_proxy.recognition.whereabouts import Whereabouts
from tests.admission.gates import Scene, body_of, load
from tests.recognition.chains import chain


def test_a_session_has_a_place_among_those_that_wait_only_while_it_waits() -> None:
    scene = Scene()
    running = scene.arrive("a")
    for key in "bc":
        scene.arrive(key)
    assert [scene.gate.place_of(scene.session(key)) for key in "abc"] == [None, 1, 2]
    scene.gate.end("a", now=0.0)
    scene.finish(running)
    assert [scene.gate.place_of(scene.session(key)) for key in "bc"] == [None, 1]


def test_a_session_that_waits_is_expected_after_those_before_it() -> None:
    scene = Scene()
    scene.arrive("a")
    tickets = [scene.arrive(key) for key in "bc"]
    waits = [scene.gate.expected_wait(ticket, now=0.0) for ticket in tickets]
    assert [place for place, _ in waits] == [1, 2]
    assert waits[1][1] == 2 * waits[0][1]


def test_a_gate_without_a_window_in_tokens_has_no_budget() -> None:
    scene = Scene()
    assert (scene.gate.budget, scene.gate.snapshot().budget_tokens) == (None, None)


def test_a_tenant_that_was_not_served_yet_has_used_no_tokens() -> None:
    scene = Scene()
    scene.arrive("a")
    scene.arrive("b")
    (tenant,) = scene.gate.tenants.values()
    assert (tenant.active, tenant.waiting, tenant.served_tokens) == (1, 1, 0)


def test_a_tenant_whose_sessions_all_wait_has_none_active() -> None:
    scene = Scene()
    for tenant in ("large", "small"):
        arrival = Arrival(key="a", tenant=tenant, hold_s=9.0)
        scene.gate.arrive(Whereabouts(session=f"a of {tenant}"), arrival, now=0.0)
    standings = scene.gate.tenants
    assert {name: (each.active, each.waiting) for name, each in standings.items()} == {"large": (1, 0), "small": (0, 1)}


def test_tenants_beyond_those_that_are_shown_count_as_one_even_if_they_only_wait() -> None:
    scene = Scene()
    for number in range(MOST_SHOWN + 2):
        arrival = Arrival(key="a", tenant=f"t{number}", hold_s=9.0)
        scene.gate.arrive(Whereabouts(session=f"a of t{number}"), arrival, now=0.0)
    standings = scene.gate.tenants
    assert len(standings) == MOST_SHOWN + 1
    assert (standings[OTHERS].active, standings[OTHERS].waiting) == (0, 2)


def test_all_sessions_are_listed_once_those_with_places_first_and_the_idle_ones_last() -> None:
    scene = Scene()
    scene.idle("idle")
    scene.arrive("running")
    scene.pass_time(5.0)  # the lease has ended
    for key in ("first", "second"):
        scene.arrive(key)
    expected = ["running", "first", "second", "idle"]
    assert [session.key for session in scene.gate.in_line()] == expected
    for limit in range(6):
        assert [session.key for session in scene.gate.first_sessions(limit)] == expected[:limit]


def test_the_longest_wait_is_the_time_since_the_first_request_that_waits() -> None:
    scene = Scene()
    scene.now = 3.0
    scene.arrive("a")
    assert scene.gate.longest_wait_s(now=9.0) == 0.0
    scene.arrive("b")
    assert [scene.gate.longest_wait_s(now=now) for now in (3.0, 9.0)] == [0.0, 6.0]


def _busy() -> Scene:
    """Two sessions have the places, of 400 and 200 tokens, and one of 100 tokens waits."""
    scene = Scene(window=2.0, work_conserving=False)
    for key, tokens in (("a", 400), ("b", 200), ("c", 100)):
        scene.arrive(key, tokens=tokens)
    return scene


NOBODY = EngineDemand(
    active_tokens=0.0, waiting_tokens=0.0, active=0, waiting=0, usable_tokens=None, window=2.0, is_up=True
)


def test_without_sessions_nothing_is_needed() -> None:
    assert Scene(window=2.0).gate.demand(is_up=True) == NOBODY


def test_without_a_window_in_tokens_each_session_needs_room_for_one_turn_in_the_engines_cache() -> None:
    scene = _busy()
    scene.gate.observe(load(capacity_tokens=9_000), now=0.0)
    # no growth has been seen, so that each session may double
    assert scene.gate.demand(is_up=False) == EngineDemand(
        active_tokens=1_200.0,
        waiting_tokens=200.0,
        active=2,
        waiting=1,
        usable_tokens=9_000,
        window=2.0,
        is_up=False,
    )


def test_with_a_window_in_tokens_it_says_how_many_turns_there_must_be_room_for() -> None:
    scene = _busy()
    scene.gate.resize(2.0, now=0.0, budget=Budget(tokens=700.0, reserve_turns=0.5))
    demand = scene.gate.demand(is_up=True)
    assert (demand.active_tokens, demand.waiting_tokens, demand.usable_tokens) == (900.0, 150.0, 700.0)


def test_a_single_request_that_waits_needs_no_room_for_a_further_turn() -> None:
    scene = _busy()
    scene.arrive("once", tokens=50, one_shot=True)
    assert scene.gate.demand(is_up=True).waiting_tokens == 100.0 + 100.0 + 50.0


def test_nothing_is_assumed_to_be_shared_while_those_with_places_have_no_tokens() -> None:
    scene = Scene()
    scene.arrive("a")
    scene.arrive("b", tokens=100)
    demand = scene.gate.demand(is_up=True)
    assert (demand.active_tokens, demand.waiting_tokens) == (0.0, 200.0)


def test_those_that_wait_are_expected_to_share_what_those_with_places_share() -> None:
    scene = Scene(window=2.0)
    for words in ("sab", "sac", "xyz", "xyw"):
        arrival = Arrival(key=words, chain=chain(*words, size=body_of(10)), hold_s=9.0)
        scene.gate.arrive(Whereabouts(session=words), arrival, now=0.0)
    demand = scene.gate.demand(is_up=True)
    # Segments of 10 tokens: the first two sessions need four of six, and may double. The others need two of three, too.
    assert (demand.active_tokens, demand.waiting_tokens) == (40.0 + 40.0, 2 * (20.0 + 30.0))
