"""The number of engines that sessions call for: examples, and what holds for every fleet."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concur_proxy.control.engines_wanted import FILL, EngineDemand, engines_wanted

IDLE = EngineDemand(
    active_tokens=0, waiting_tokens=0, active=0, waiting=0, usable_tokens=100.0, window=math.inf, is_up=True
)


def engine(
    active_tokens: float = 0.0, waiting_tokens: float = 0.0, *, usable: float = 100.0, is_up: bool = True
) -> EngineDemand:
    """An engine, and sessions that need this much."""
    return replace(
        IDLE,
        active_tokens=active_tokens,
        waiting_tokens=waiting_tokens,
        active=int(active_tokens > 0),
        waiting=int(waiting_tokens > 0),
        usable_tokens=usable,
        is_up=is_up,
    )


@pytest.mark.parametrize(
    ("engines", "wanted"),
    [
        ([], 0),
        ([IDLE, IDLE], 0),
        ([engine(50)], 1),
        ([engine(100)], 1),
        ([engine(90, 20)], 2),
        ([engine(100, 250), engine(100, 50)], 5),
        ([engine(60), engine(60)], 2),
        ([engine(60), engine(60), IDLE, IDLE], 2),
        ([engine(85), IDLE], 2),  # one engine would be filled to 85 %, so the second is kept
        ([engine(80), IDLE], 1),
        ([engine(85)], 1),  # but nobody starts a second one for that
        ([engine(10, 10), engine(10)], 2),  # sessions wait: no engine is given up
        ([engine(0, 30, is_up=False)], 1),
        ([engine(150, usable=300.0), IDLE], 1),  # the mean of 300 and 100 is 200
    ],
)
def test_the_formula(engines: list[EngineDemand], wanted: int) -> None:
    assert engines_wanted(engines) == wanted


def test_sessions_count_where_no_cache_is_known() -> None:
    unknown = replace(IDLE, usable_tokens=None, active=4, waiting=5, window=4.0)
    assert engines_wanted([unknown]) == 3
    assert engines_wanted([unknown, replace(unknown, window=8.0)]) == 3
    assert engines_wanted([replace(unknown, window=math.inf)]) is None
    assert engines_wanted([replace(unknown, usable_tokens=50.0)]) == 1


tokens = st.floats(0, 1e7)
demands = st.builds(
    EngineDemand,
    active_tokens=tokens,
    waiting_tokens=tokens,
    active=st.integers(0, 50),
    waiting=st.integers(0, 50),
    usable_tokens=st.none() | st.floats(1, 1e7),
    window=st.just(math.inf) | st.floats(1, 500),
    is_up=st.booleans(),
)
pools = st.lists(demands, max_size=6)


@given(pools, st.data())
def test_more_demand_never_calls_for_fewer_engines(pool: list[EngineDemand], data: st.DataObject) -> None:
    before = engines_wanted(pool)
    if pool and before is not None:
        index = data.draw(st.integers(0, len(pool) - 1))
        field = data.draw(st.sampled_from(["active_tokens", "waiting_tokens", "active", "waiting"]))
        more = replace(pool[index], **{field: getattr(pool[index], field) + data.draw(st.integers(0, 10_000))})
        after = engines_wanted([*pool[:index], more, *pool[index + 1 :]])
        assert after is None or after >= before


@given(pools)
def test_the_engines_that_are_wanted_hold_all_sessions_and_one_less_would_not(pool: list[EngineDemand]) -> None:
    wanted, up = engines_wanted(pool), sum(each.is_up for each in pool)
    usable = [each.usable_tokens for each in pool if each.usable_tokens]
    if not wanted or not usable:
        return
    mean, need = sum(usable) / len(usable), sum(each.active_tokens + each.waiting_tokens for each in pool)
    assert need <= wanted * mean * (1 + 1e-6)
    if any(each.waiting for each in pool):
        assert wanted >= up
    elif wanted > max(1, up):
        assert need > (wanted - 1) * mean * (1 - 1e-6), "more than there are, only if fewer could not hold them"
    elif wanted > 1:
        assert need > (wanted - 1) * FILL * mean * (1 - 1e-6), "an engine is kept only if the others would be too full"


@given(pools)
def test_nobody_is_wanted_without_sessions_and_somebody_is_with_them(pool: list[EngineDemand]) -> None:
    wanted = engines_wanted(pool)
    assert (wanted == 0) == (not any(each.active or each.waiting for each in pool))
