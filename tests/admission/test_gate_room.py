import pytest

from concur_proxy.admission.lease import FixedLease
from concur_proxy.admission.outcome import Outcome
from concur_proxy.admission.session import SessionState
from tests.admission.gates import Scene, load


def test_nobody_waits_while_the_engine_has_free_cache_and_queues_nothing() -> None:
    scene = Scene(window=1.0)
    scene.arrive("a", tokens=100)
    held = scene.arrive("b", tokens=100)
    assert scene.gate.observe(load(running=1, kv_usage=0.1, capacity_tokens=1_000), now=0.0) == [held]
    assert scene.gate.counters["admit", "room"] == 1
    assert scene.arrive("c", tokens=100).outcome is Outcome.ADMITTED


def test_several_sessions_admitted_between_two_readings_do_not_overfill_the_cache() -> None:
    scene = Scene(window=1.0)
    scene.gate.observe(load(capacity_tokens=1_000), now=0.0)
    tickets = [scene.arrive(f"s{number}", tokens=150) for number in range(10)]
    # nothing is known of their growth yet: each is taken to double
    assert [ticket.outcome for ticket in tickets] == [Outcome.ADMITTED] * 3 + [None] * 7


def test_sessions_that_come_and_go_between_two_readings_still_count_what_they_released() -> None:
    scene = Scene(window=1.0)
    scene.gate.observe(load(capacity_tokens=1_000, kv_usage=0.5), now=0.0)
    scene.arrive("a", tokens=100)
    for number in range(3):
        scene.finish(scene.arrive(f"s{number}", tokens=100, one_shot=True))
    assert scene.arrive("b", tokens=200).is_held
    assert scene.gate.snapshot().footprint_tokens == 100.0


def test_a_finished_answer_that_shows_more_tokens_takes_the_room_away() -> None:
    scene = Scene(window=1.0)
    scene.gate.observe(load(capacity_tokens=1_000), now=0.0)
    ticket = scene.arrive("a", tokens=10)
    scene.finish(ticket, prompt=800, completion=150)
    assert scene.arrive("b", tokens=100).is_held
    assert scene.session("a").footprint == 950.0


def test_a_session_that_turns_out_smaller_makes_room_with_the_next_reading() -> None:
    scene = Scene(window=1.0)
    scene.gate.observe(load(capacity_tokens=1_000), now=0.0)
    ticket = scene.arrive("a", tokens=900)
    held = scene.arrive("b", tokens=200)
    assert held.is_held
    assert scene.finish(ticket, prompt=300, completion=100) == []
    assert scene.gate.observe(load(capacity_tokens=1_000), now=0.0) == [held]


def test_growth_seen_is_kept_in_reserve() -> None:
    scene = Scene(window=1.0)
    scene.finish(scene.arrive("a"), prompt=100, completion=0)
    scene.finish(scene.arrive("a"), prompt=400, completion=0)
    assert scene.gate.accounts.estimator.growth_tokens(0.0) == 300.0
    scene.gate.observe(load(capacity_tokens=1_000), now=0.0)
    assert scene.arrive("b", tokens=1).is_held
    scene.gate.observe(load(capacity_tokens=1_100), now=0.0)
    assert scene.gate.counters["admit", "room"] == 1


def test_the_head_of_the_line_is_not_overtaken_by_a_smaller_session() -> None:
    scene = Scene(window=1.0)
    scene.gate.observe(load(capacity_tokens=1_000), now=0.0)
    running = scene.arrive("a", tokens=500, one_shot=True)
    large, small = scene.arrive("b", tokens=400), scene.arrive("c", tokens=100)
    assert (large.is_held, small.is_held) == (True, True)
    assert scene.finish(running) == [large]
    assert scene.gate.observe(load(capacity_tokens=1_000, kv_usage=0.4), now=0.0) == [small]


def test_gauges_that_miss_requests_in_flight_admit_nobody() -> None:
    # SGLang's gauges read 0 until its first prefill batch is done, however long that takes.
    scene = Scene(window=2.0)
    scene.gate.observe(load(capacity_tokens=10_000), now=0.0)
    busy = [scene.arrive(f"s{number}", tokens=10) for number in range(2)]
    held = scene.arrive("late", tokens=10)
    assert held.outcome is Outcome.ADMITTED  # by the room that the idle engine has shown
    for now in (1.0, 2.0):
        scene.gate.observe(load(capacity_tokens=10_000), now=now)
    waiting = scene.arrive("waiting", tokens=10)
    assert waiting.is_held
    assert scene.gate.observe(load(capacity_tokens=10_000, running=1, waiting=1), now=3.0) == []  # one is missing
    scene.finish(busy[0])
    assert scene.gate.observe(load(capacity_tokens=10_000, running=2), now=4.0) == [waiting]


def test_a_request_released_after_the_last_reading_need_not_show_in_the_next() -> None:
    scene = Scene(window=1.0)
    scene.arrive("a", tokens=10)
    held = scene.arrive("b", tokens=10)
    assert scene.gate.observe(load(capacity_tokens=1_000), now=0.0) == [held]
    assert scene.gate.snapshot().lasting == 1
    scene.finish(scene.arrive("a", tokens=10))
    assert scene.gate.snapshot().lasting == 1
    assert scene.gate.observe(load(capacity_tokens=1_000, running=1), now=1.0) == []
    assert scene.arrive("c", tokens=10).outcome is Outcome.ADMITTED


def test_late_gauges_are_no_reason_to_pause_a_session_that_fits() -> None:
    scene = Scene(window=2.0)
    for name in "ab":
        scene.arrive(name, tokens=10)
    for now in (0.0, 1.0):
        scene.gate.observe(load(capacity_tokens=1_000), now=now)
    scene.gate.resize(1.0, now=2.0)
    assert scene.gate.active == 2
    assert not scene.session("b").pausing


@pytest.mark.parametrize("reading", [None, load(waiting=1), load(waiting=None), load(kv_usage=1.0)])
def test_without_room_that_is_demonstrated_the_window_holds(reading: object) -> None:
    scene = Scene(window=1.0)
    scene.gate.observe(reading, now=0.0)  # type: ignore[arg-type]
    scene.arrive("a")
    assert scene.arrive("b", tokens=1).is_held


def test_with_the_rule_off_the_window_holds_whatever_the_engine_shows() -> None:
    scene = Scene(window=1.0, work_conserving=False)
    scene.gate.observe(load(), now=0.0)
    scene.arrive("a")
    assert scene.arrive("b").is_held


def test_an_engine_that_hides_its_cache_serves_one_session_at_a_time_beyond_the_window() -> None:
    scene = Scene(window=1.0)
    scene.idle("a")
    scene.gate.observe(load(capacity_tokens=None), now=0.0)
    assert scene.arrive("b").outcome is Outcome.ADMITTED
    assert scene.arrive("c").is_held


def test_room_is_used_before_a_lapsed_place_is_taken() -> None:
    scene = Scene(window=1.0)
    scene.idle("a")
    scene.gate.observe(load(), now=0.0)
    scene.pass_time(50.0)
    scene.arrive("b", tokens=10)
    assert scene.session("a").state is SessionState.ACTIVE
    assert scene.gate.counters["admit", "room"] == 1


def test_an_observing_gate_does_not_count_whom_the_room_would_have_served() -> None:
    scene = Scene(window=1.0, enforcing=False)
    scene.gate.observe(load(), now=0.0)
    scene.arrive("a", tokens=300)
    scene.arrive("b", tokens=200)
    assert scene.gate.counters["would_hold", "window"] == 0
    scene.arrive("c", tokens=300)
    assert scene.gate.counters["would_hold", "window"] == 1


class _Reviewed(FixedLease):
    """Notes when it is reviewed, and whether the engine was idle then."""

    def __init__(self) -> None:
        super().__init__(5.0)
        self.reviews: list[tuple[float, bool]] = []

    def review(self, *, now: float, is_engine_idle: bool = False) -> None:
        self.reviews.append((now, is_engine_idle))


def test_each_reading_of_the_engine_reviews_the_lease_though_nobody_waits() -> None:
    lease = _Reviewed()
    scene = Scene(lease=lease)
    scene.gate.observe(load(), now=1.0)
    scene.arrive("a")
    scene.gate.observe(None, now=2.0)
    assert (lease.reviews[0], lease.reviews[-1]) == ((1.0, True), (2.0, False))
