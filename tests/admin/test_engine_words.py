from dataclasses import replace

from concur_proxy.admin.engine_words import at_work
from tests.admission.gates import Scene


def test_it_says_who_waits_and_why_nobody_does() -> None:
    scene = Scene(window=1.0)
    assert at_work(scene.gate.snapshot(), is_enforcing=True) == "healthy, nothing to do"
    scene.arrive("a")
    running = scene.gate.snapshot()
    assert at_work(running, is_enforcing=True) == "healthy, nobody waits"
    assert "tool calls take so long" in at_work(replace(running, gives_way="lease"), is_enforcing=True)
    assert "hardly any session comes back" in at_work(replace(running, gives_way="no_returns"), is_enforcing=True)
    assert "only observes" in at_work(replace(running, gives_way="lease"), is_enforcing=False)
    scene.arrive("b")
    assert at_work(scene.gate.snapshot(), is_enforcing=True) == "healthy and full: 1 session waiting"
