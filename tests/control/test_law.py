import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concur_proxy import plugins
from concur_proxy.control.law import ControlLaw, DecisionKind
from concur_proxy.control.signal import CongestionSignal
from tests.contracts.added_plugin import added_plugin

LAWS = plugins.LAWS
NAMES = plugins.available(LAWS)

share = st.none() | st.floats(0.0, 1.0)
number = st.none() | st.integers(0, 10_000)
signals = st.lists(
    st.builds(
        CongestionSignal,
        now=st.just(0.0),
        kv_usage=share,
        hit_rate=share,
        preemptions=st.none() | st.floats(0.0, 1e4),
        running=number,
        waiting=number,
        capacity_tokens=number,
        prefilled_tokens=st.none() | st.floats(0.0, 1e5),
        hit_tokens=st.none() | st.floats(0.0, 1e5),
        promised_tokens=st.integers(0, 100_000),
        told_tokens=st.integers(0, 100_000),
        lost_tokens=st.integers(0, 100_000),
        footprint_tokens=st.floats(0.0, 1e6),
        answer_s=st.none() | st.floats(0.0, 1.0),
        active_sessions=st.integers(0, 2_000),
        queued_sessions=st.integers(0, 2_000),
    )
    | st.none(),  # an overload
    max_size=50,
)


def _law(name: str) -> ControlLaw:
    return plugins.load(LAWS, name)({})


def test_the_laws_of_the_first_release_are_there() -> None:
    assert {"aimd", "off", "static"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
@given(events=signals)
def test_a_window_is_always_one_or_more_and_said_in_the_decision(
    name: str, events: list[CongestionSignal | None]
) -> None:
    law = _law(name)
    assert law.window >= 1
    for now, signal in enumerate(events):
        before = law.window
        decision = law.on_overload(now=now) if signal is None else law.on_signal(signal)
        assert decision.window >= 1
        assert decision.window == law.window
        assert decision.reason
        if decision.budget is not None:
            assert 0 < decision.budget.tokens < math.inf
            assert decision.budget.reserve_turns >= 0
            continue
        assert (decision.kind is DecisionKind.INCREASE) == (law.window > before)
        assert (decision.kind is DecisionKind.DECREASE) == (law.window < before)


@pytest.mark.parametrize("name", NAMES)
def test_a_law_says_whether_it_enforces(name: str) -> None:
    assert _law(name).enforces is (name != "off")


@pytest.mark.parametrize("name", NAMES)
def test_an_unknown_option_is_an_error(name: str) -> None:
    with pytest.raises(ValueError, match="the law has no option 'no_such_option'"):
        plugins.load(LAWS, name)({"no_such_option": 1})


@pytest.mark.parametrize("name", NAMES)
def test_two_engines_do_not_share_a_law(name: str) -> None:
    one, other = _law(name), _law(name)
    congested = CongestionSignal(now=0.0, kv_usage=1.0, hit_rate=0.0, active_sessions=8)
    before = other.window
    one.on_signal(congested)
    one.on_overload(now=0.0)
    assert other.window == before


NEW_LAW = '''\
"""Keeps one session for each ten thousand tokens of cache."""
from concur_proxy.control.law import Decision, DecisionKind

class ByCapacity:
    enforces = True
    window = 1.0

    def on_signal(self, signal):
        self.window = max(1.0, (signal.capacity_tokens or 0) / 10_000)
        return Decision(kind=DecisionKind.HOLD, window=self.window, reason="cache size")

    def on_overload(self, *, now):
        return Decision(kind=DecisionKind.HOLD, window=self.window, reason="cache size")

def build(options):
    return ByCapacity()
'''


def test_one_more_file_is_one_more_law(tmp_path: Path) -> None:
    with added_plugin(LAWS.package, "by_capacity", NEW_LAW, tmp_path):
        assert plugins.available(LAWS) == sorted([*NAMES, "by-capacity"])
        law = _law("by-capacity")
        decision = law.on_signal(CongestionSignal(now=0.0, capacity_tokens=50_000))
        assert (law.window, decision.window) == (5.0, 5.0)
    assert plugins.available(LAWS) == NAMES


@pytest.mark.parametrize("name", NAMES)
@given(usage=st.floats(0.0, 1.0), queued=st.integers(0, 100), in_flight=st.integers(1, 100), rounds=st.integers(1, 30))
def test_gauges_that_miss_requests_in_flight_raise_no_window(
    name: str, usage: float, queued: int, in_flight: int, rounds: int
) -> None:
    law = _law(name)
    tokens: float | None = None
    for now in range(rounds):
        before = law.window
        decision = law.on_signal(
            CongestionSignal(
                now=float(now),
                kv_usage=usage,
                running=0,
                waiting=0,
                in_flight=in_flight,
                gauges_are_late=True,
                capacity_tokens=10_000,
                prefill_tokens_s=1_000.0,
                active_sessions=round(min(before, 1_000.0)),
                queued_sessions=queued,
            )
        )
        assert decision.kind is not DecisionKind.INCREASE
        assert law.window <= before
        if decision.budget is not None:
            assert tokens is None or decision.budget.tokens <= tokens
            tokens = decision.budget.tokens
