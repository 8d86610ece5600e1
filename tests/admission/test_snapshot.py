from dataclasses import replace

import pytest

from tests.admission.gates import Scene, load


def test_it_counts_sessions_by_state_and_requests_by_fate() -> None:
    scene = Scene(window=3.0)
    scene.idle("active", "paused")
    scene.finish(scene.arrive("paused too"), prompt=0, gone=True)
    scene.resize(1.0)
    scene.arrive("active", tokens=30)
    scene.arrive("active", tokens=50)
    scene.finish(scene.arrive("left"))
    scene.arrive("new")
    scene.arrive("new")
    scene.arrive("paused")
    now = scene.gate.snapshot()
    assert (now.window, now.lease_s) == (1.0, 5.0)
    assert (now.active, now.paused, now.queued) == (1, 2, 1)
    assert (now.waiting, now.held, now.in_flight) == (2, 3, 2)
    # the two requests of `active` share its history, of which nothing is known yet
    assert now.footprint_tokens == 80.0


def test_the_prefill_rate_is_the_most_that_counters_or_answers_have_shown() -> None:
    scene = Scene()
    assert scene.gate.snapshot().prefill_tokens_s is None
    scene.gate.observe(replace(load(), prefill_tokens_s=100.0), now=0.0)
    assert scene.gate.snapshot().prefill_tokens_s == 100.0
    for _ in range(2):
        scene.gate.accounts.prefill.observe(1_000, 1.0, was_alone=True)
    assert scene.gate.snapshot().prefill_tokens_s == pytest.approx(1_000.0, rel=0.01)
