from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concur_proxy.control.law import Decision, DecisionKind
from concur_proxy.control.laws import aimd
from concur_proxy.control.options import OptionValue
from concur_proxy.control.signal import CongestionSignal

HOLD, INCREASE, DECREASE = DecisionKind.HOLD, DecisionKind.INCREASE, DecisionKind.DECREASE


def _signal(*, u: float | None, h: float | None, active: int = 1_000) -> CongestionSignal:
    return CongestionSignal(now=0.0, kv_usage=u, hit_rate=h, active_sessions=active)


def _decide(*, u: float | None, h: float | None, active: int = 1_000, **options: OptionValue) -> Decision:
    return aimd.build({"initial": 8, **options}).on_signal(_signal(u=u, h=h, active=active))


@pytest.mark.parametrize(
    ("u", "h", "kind", "window"),
    [
        # the regions of the paper's rule and their borders, with u_low 0.2, u_high 0.5 and h_thresh 0.2
        (0.0, 0.0, INCREASE, 10.0),
        (0.199, 0.9, INCREASE, 10.0),
        (0.2, 0.0, HOLD, 8.0),
        (0.35, 0.0, HOLD, 8.0),
        (0.5, 0.0, HOLD, 8.0),
        (0.501, 0.199, DECREASE, 4.0),
        (1.0, 0.0, DECREASE, 4.0),
        (1.0, 0.2, HOLD, 8.0),
        (0.9, 0.95, HOLD, 8.0),
    ],
)
def test_the_papers_rule(u: float, h: float, kind: DecisionKind, window: float) -> None:
    decision = _decide(u=u, h=h)
    assert (decision.kind, decision.window) == (kind, window)


def test_growth_and_cut_are_configurable() -> None:
    assert _decide(u=0.1, h=0.5, alpha=5).window == 13.0
    assert _decide(u=0.9, h=0.1, beta=0.75).window == 6.0
    assert _decide(u=0.3, h=0.5, u_low=0.4).kind is INCREASE
    assert _decide(u=0.6, h=0.1, u_high=0.7).kind is HOLD
    assert _decide(u=0.6, h=0.4, h_thresh=0.5).kind is DECREASE


def test_an_unknown_usage_moves_nothing() -> None:
    assert _decide(u=None, h=0.0).kind is HOLD
    assert _decide(u=None, h=None).kind is HOLD


@pytest.mark.parametrize("u", [0.3, 0.51, 0.9, 1.0])
def test_an_unknown_hit_rate_never_cuts(u: float) -> None:
    assert _decide(u=u, h=None).kind is HOLD


def test_an_unknown_hit_rate_does_not_hinder_growth() -> None:
    assert _decide(u=0.1, h=None).kind is INCREASE


@pytest.mark.parametrize(
    ("window", "active", "kind"),
    [(8, 7, HOLD), (8, 8, INCREASE), (8, 9, INCREASE), (2.5, 1, HOLD), (2.5, 2, INCREASE), (1, 0, HOLD)],
)
def test_a_window_that_nobody_fills_does_not_grow(window: float, active: int, kind: DecisionKind) -> None:
    # a window of 2.5 has room for two whole sessions: with two it is full
    assert _decide(u=0.1, h=0.5, initial=window, active=active).kind is kind


def test_a_window_that_nobody_fills_is_cut_all_the_same() -> None:
    assert _decide(u=0.9, h=0.1, active=1).kind is DECREASE


def test_each_congested_interval_cuts_unless_once_an_episode_is_enough() -> None:
    congested, calm = _signal(u=0.9, h=0.0), _signal(u=0.3, h=0.0)
    for once, windows in ((False, [16.0, 8.0, 8.0, 4.0, 2.0]), (True, [16.0, 16.0, 16.0, 8.0, 8.0])):
        law = aimd.build({"initial": 32, "once_per_episode": once})
        decisions = [law.on_signal(signal) for signal in (congested, congested, calm, congested, congested)]
        assert [decision.window for decision in decisions] == windows


def test_an_interval_of_which_nothing_is_known_ends_no_episode() -> None:
    law = aimd.build({"initial": 32, "once_per_episode": True})
    windows = [law.on_signal(_signal(u=u, h=0.0)).window for u in (0.9, None, 0.9)]
    assert windows == [16.0, 16.0, 16.0]


def test_refusals_by_the_engine_cut_once_in_their_pause() -> None:
    law = aimd.build({"initial": 32, "overload_pause_s": 5})
    decisions = [law.on_overload(now=now) for now in (0.0, 0.1, 4.9, 5.0, 9.0, 10.0)]
    assert [decision.window for decision in decisions] == [16.0, 16.0, 16.0, 8.0, 8.0, 4.0]
    assert [decision.kind for decision in decisions] == [DECREASE, HOLD, HOLD, DECREASE, HOLD, DECREASE]


def test_at_its_bounds_it_holds() -> None:
    top = _decide(u=0.1, h=0.5, initial=9, maximum=10)
    assert (top.kind, top.window) == (INCREASE, 10.0)
    assert _decide(u=0.1, h=0.5, initial=10, maximum=10).kind is HOLD
    bottom = _decide(u=0.9, h=0.1, initial=3, minimum=2)
    assert (bottom.kind, bottom.window) == (DECREASE, 2.0)
    assert _decide(u=0.9, h=0.1, initial=2, minimum=2).kind is HOLD
    assert aimd.build({"initial": 2, "minimum": 2}).on_overload(now=0.0).kind is HOLD


share = st.none() | st.floats(0.0, 1.0)
event = st.tuples(share, share, st.integers(0, 50))


@given(
    events=st.lists(event, max_size=60),
    bounds=st.lists(st.floats(1.0, 100.0), min_size=3, max_size=3).map(sorted),
    alpha=st.floats(0.1, 50.0),
    beta=st.floats(0.01, 0.99),
    once=st.booleans(),
)
def test_it_never_leaves_its_bounds(
    events: list[tuple[float | None, float | None, int]],
    bounds: list[float],
    alpha: float,
    beta: float,
    *,
    once: bool,
) -> None:
    minimum, initial, maximum = bounds
    law = aimd.build(
        {
            "minimum": minimum,
            "initial": initial,
            "maximum": maximum,
            "alpha": alpha,
            "beta": beta,
            "once_per_episode": once,
        }
    )
    for now, (u, h, active) in enumerate(events):
        before = law.window
        decision = law.on_overload(now=now) if active == 0 else law.on_signal(_signal(u=u, h=h, active=active))
        assert minimum <= decision.window <= maximum
        assert decision.window == law.window
        moved = {INCREASE: law.window > before, DECREASE: law.window < before, HOLD: law.window == before}
        assert moved[decision.kind]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"alpha": 0}, "alpha must be more than 0"),
        ({"beta": 0}, "beta must be between 0 and 1"),
        ({"beta": 1}, "beta must be between 0 and 1"),
        ({"u_low": 0.6}, "must keep 0 <= u_low <= u_high <= 1"),
        ({"u_high": 50}, "must keep 0 <= u_low <= u_high <= 1"),
        ({"h_thresh": 1.1}, "h_thresh must be between 0 and 1"),
        ({"minimum": 0}, "must keep 1 <= minimum <= initial <= maximum"),
        ({"initial": 2000}, "must keep 1 <= minimum <= initial <= maximum"),
        ({"maximum": "inf"}, "maximum must be finite"),
        ({"overload_pause_s": -1}, "overload_pause_s must be 0 or more"),
        ({"alpha": "nan"}, "alpha must be more than 0"),
    ],
)
def test_options_that_contradict_themselves_are_an_error(options: dict[str, OptionValue], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        aimd.build(options)


def test_the_defaults_are_those_that_are_documented() -> None:
    assert asdict(aimd.AimdOptions()) == {
        "alpha": 2.0,
        "beta": 0.5,
        "u_low": 0.2,
        "u_high": 0.5,
        "h_thresh": 0.2,
        "initial": 8.0,
        "minimum": 1.0,
        "maximum": 1024.0,
        "once_per_episode": False,
        "overload_pause_s": 5.0,
    }


@pytest.mark.parametrize(
    "options",
    [
        {"u_low": 0.0},
        {"u_low": 0.5},
        {"u_high": 1.0},
        {"h_thresh": 0.0},
        {"h_thresh": 1.0},
        {"initial": 1.0},
        {"initial": 1024.0},
        {"overload_pause_s": 0.0},
        {"beta": 0.999},
        {"alpha": 0.5},
    ],
)
def test_options_at_their_limits_are_accepted(options: dict[str, OptionValue]) -> None:
    assert asdict(aimd.build(options)._options).items() >= options.items()


@pytest.mark.parametrize("options", [{"u_low": -0.1}, {"h_thresh": -0.1}, {"maximum": 4.0}])
def test_options_just_beyond_their_limits_are_an_error(options: dict[str, OptionValue]) -> None:
    with pytest.raises(ValueError, match="option"):
        aimd.build(options)


def test_gauges_that_do_not_show_all_requests_yet_raise_nothing() -> None:
    late = CongestionSignal(now=0.0, kv_usage=0.1, hit_rate=1.0, active_sessions=1_000, gauges_are_late=True)
    decision = aimd.build({}).on_signal(late)
    assert (decision.kind, decision.window) == (HOLD, 8.0)
    assert "does not include all requests in flight yet" in decision.reason


def test_a_decision_says_what_was_measured() -> None:
    assert _decide(u=0.3, h=0.4).reason == "KV cache usage is 30 %, and the prefix-hit rate is 40 %"
    assert _decide(u=0.3, h=None).reason == "KV cache usage is 30 %, and the prefix-hit rate is unknown"
    assert _decide(u=0.1234, h=0.4).reason == "KV cache usage of 12.3 % is below 20 %"


def test_a_successor_goes_on_with_the_window() -> None:
    law = aimd.build({})
    law.resume({"window": 20.0})
    assert law.save() == {"window": 20.0}
    law.resume({})
    assert law.window == 20.0
