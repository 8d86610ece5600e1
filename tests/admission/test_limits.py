import math

import pytest

from concur_proxy.admission.estimates import FootprintEstimator
from concur_proxy.admission.limits import GROWING_TURNS, REPRIEVE_SHARE, Demand, EngineLoad, Limits, Room
from concur_proxy.admission.places import Places
from concur_proxy.admission.session import Session
from concur_proxy.control.law import Budget
from concur_proxy.recognition.tree import ConversationTree
from tests.admission.gates import load


class Crowd:
    """Sessions with places, and the limits that apply to them."""

    def __init__(self, *footprints: float, window: float = math.inf, work_conserving: bool = True) -> None:
        self.places = Places(ConversationTree())
        self.estimator = FootprintEstimator()
        self.limits = Limits(
            places=self.places, footprints=self.estimator, window=window, work_conserving=work_conserving
        )
        for seniority, footprint in enumerate(footprints, start=1):
            session = Session(key=str(seniority), seniority=seniority, one_shot=False, now=0.0)
            session.footprint = footprint
            self.places.take(session)

    def budget(self, tokens: float, *, reserve_turns: float = 0.0) -> None:
        self.limits.resize(math.inf, Budget(tokens=tokens, reserve_turns=reserve_turns))


@pytest.mark.parametrize("window", [0.0, 0.99, -1.0, math.nan])
def test_a_window_that_admits_nobody_is_refused(window: float) -> None:
    with pytest.raises(ValueError, match="a window must be 1 or more"):
        Crowd(window=window)
    with pytest.raises(ValueError, match="a window must be 1 or more"):
        Crowd().limits.resize(window, None)


def test_a_place_is_there_by_the_window_or_by_room() -> None:
    crowd = Crowd(100.0, window=1.0)
    assert crowd.limits.reason_to_admit(100.0, in_flight=1) is None
    crowd.limits.observe(load(running=1, kv_usage=0.1, capacity_tokens=1_000))
    assert crowd.limits.reason_to_admit(100.0, in_flight=1) == "room"
    crowd.limits.resize(2.0, None)
    assert crowd.limits.reason_to_admit(100.0, in_flight=1) == "window"


def test_the_budget_bounds_the_room_as_well() -> None:
    crowd = Crowd(400.0)
    crowd.limits.observe(load(running=1, kv_usage=0.4, capacity_tokens=10_000))
    crowd.budget(500.0)
    assert crowd.limits.reason_to_admit(200.0, in_flight=1) is None


def test_somebody_pauses_a_part_of_a_turn_before_the_budget_is_full() -> None:
    crowd = Crowd(400.0, 400.0)
    crowd.budget(900.0)
    assert not crowd.limits.are_exceeded(in_flight=2)
    crowd.estimator.learn_growth(101.0 / 2 / GROWING_TURNS)
    assert crowd.limits.are_exceeded(in_flight=2)


def test_the_last_session_never_pauses_for_its_weight() -> None:
    crowd = Crowd(5_000.0)
    crowd.budget(100.0)
    assert not crowd.limits.are_exceeded(in_flight=1)


def test_who_was_told_to_pause_stays_only_well_below_the_budget() -> None:
    crowd = Crowd(500.0, 400.0)
    crowd.places.start_pausing(crowd.places.first_to_pause())
    crowd.budget(900.0 / REPRIEVE_SHARE - 1)
    assert not crowd.limits.allow_reprieve(in_flight=1)
    crowd.budget(900.0 / REPRIEVE_SHARE + 1)
    assert crowd.limits.allow_reprieve(in_flight=1)


def test_without_a_budget_nobody_is_paused_whose_cache_fits() -> None:
    crowd = Crowd(400.0, 400.0, window=1.0)
    crowd.limits.observe(load(capacity_tokens=1_000))
    assert not crowd.limits.are_exceeded(in_flight=2)
    crowd.limits.observe(load(capacity_tokens=700))
    assert crowd.limits.are_exceeded(in_flight=2)
    strict = Crowd(400.0, 400.0, window=1.0, work_conserving=False)
    strict.limits.observe(load(capacity_tokens=1_000))
    assert strict.limits.are_exceeded(in_flight=2)


def _room(reading: EngineLoad | None) -> Room:
    room = Room()
    room.observe(reading)
    return room


def _demand(*, footprints: float = 0.0, growing: int = 0, in_flight: int = 0, growth: float = 0.0) -> Demand:
    return Demand(footprints=footprints, growing=growing, in_flight=in_flight, growth=growth)


def test_without_a_reading_there_is_no_room() -> None:
    assert not Room().fits(0.0, _demand())
    assert not _room(None).fits(0.0, _demand())
    assert not _room(None).holds(_demand())


@pytest.mark.parametrize("waiting", [None, 1])
def test_an_engine_that_queues_or_does_not_say_has_no_room(waiting: int | None) -> None:
    assert not _room(load(waiting=waiting)).fits(0.0, _demand())


def test_room_is_the_capacity_less_the_footprints_of_the_admitted() -> None:
    room = _room(load(capacity_tokens=1_000))
    assert room.fits(400.0, _demand(footprints=600.0))
    assert not room.fits(401.0, _demand(footprints=600.0))


def test_everybody_is_given_a_turns_growth_in_reserve_the_newcomer_too() -> None:
    room = _room(load(capacity_tokens=1_000))
    assert room.fits(100.0, _demand(footprints=600.0, growing=2, growth=100.0))
    assert not room.fits(101.0, _demand(footprints=600.0, growing=2, growth=100.0))


def test_what_others_have_in_flight_counts_where_it_is_more() -> None:
    room = _room(load(capacity_tokens=1_000, kv_usage=0.9))
    assert room.fits(100.0, _demand(footprints=100.0))
    assert not room.fits(101.0, _demand(footprints=100.0))


def test_tokens_released_since_the_reading_count_until_the_next_one() -> None:
    room = _room(load(capacity_tokens=1_000, kv_usage=0.5))
    room.released(400.0)
    assert not room.fits(101.0, _demand())
    room.observe(load(capacity_tokens=1_000, kv_usage=0.5))
    assert room.fits(500.0, _demand())


@pytest.mark.parametrize("unknown", [load(capacity_tokens=None), load(kv_usage=None)])
def test_of_an_engine_that_hides_its_cache_only_complete_idleness_is_room(unknown: EngineLoad) -> None:
    assert _room(unknown).fits(5_000.0, _demand())
    assert not _room(unknown).fits(0.0, _demand(in_flight=1))


@pytest.mark.parametrize("running", [None, 1])
def test_an_engine_that_hides_its_cache_and_works_for_others_has_no_room(running: int | None) -> None:
    assert not _room(load(capacity_tokens=None, running=running)).fits(0.0, _demand())


def test_a_cache_holds_what_it_is_large_enough_for_however_busy_the_engine_is() -> None:
    busy = _room(load(capacity_tokens=1_000, kv_usage=1.0, waiting=5))
    assert busy.holds(_demand(footprints=800.0, growing=2, growth=100.0))
    assert not busy.holds(_demand(footprints=801.0, growing=2, growth=100.0))
    assert not _room(load(capacity_tokens=None)).holds(_demand())
