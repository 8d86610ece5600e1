from tests.admission.gates import Scene


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
