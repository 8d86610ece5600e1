import pytest

from concur_proxy.admission.room import Demand, EngineLoad, Room
from tests.admission.gates import load


def _room(reading: EngineLoad | None) -> Room:
    room = Room()
    room.observe(reading)
    return room


def _demand(*, footprints: float = 0.0, sessions: int = 0, in_flight: int = 0, growth: float = 0.0) -> Demand:
    return Demand(footprints=footprints, sessions=sessions, in_flight=in_flight, growth=growth)


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
    assert room.fits(100.0, _demand(footprints=600.0, sessions=2, growth=100.0))
    assert not room.fits(101.0, _demand(footprints=600.0, sessions=2, growth=100.0))


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
    assert busy.holds(_demand(footprints=800.0, sessions=2, growth=100.0))
    assert not busy.holds(_demand(footprints=801.0, sessions=2, growth=100.0))
    assert not _room(load(capacity_tokens=None)).holds(_demand())
