import math

import pytest

from concur_proxy.admission.accounts import FootprintEstimator
from concur_proxy.admission.limits import GROWING_TURNS, REPRIEVE_SHARE, Limits
from concur_proxy.admission.places import Places
from concur_proxy.admission.session import Session
from concur_proxy.control.law import Budget
from tests.admission.gates import load


class Crowd:
    """Sessions with places, and what is judged of them."""

    def __init__(self, *footprints: float, window: float = math.inf, work_conserving: bool = True) -> None:
        self.places = Places()
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
    crowd.places.start_pausing(crowd.places.youngest())
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
