from dataclasses import replace

import pytest

from concur_proxy.lab.demo import words
from concur_proxy.lab.demo.display import RunResult
from concur_proxy.lab.demo.options import DemoOptions
from concur_proxy.lab.demo.virtual import VirtualTimes

RUN = RunResult(
    name="no control",
    makespan_s=52.0,
    hit_rate=0.07,
    preemptions=2.0,
    turns=640,
    failures=0,
    p50_turn_s=1.0,
    p99_turn_s=2.0,
    most_active=None,
    time_scale=12.0,
)
TIMES = VirtualTimes(uncontrolled_s=624.0, controlled_s=256.0)


@pytest.mark.parametrize(
    ("ratio", "text"),
    [(2.44, "2.4x faster"), (1 / 1.6, "1.6x slower"), (1.04, "no difference"), (0.96, "no difference")],
)
def test_a_ratio_is_faster_or_slower(ratio: float, text: str) -> None:
    assert words.compared(ratio) == text


def test_the_live_verdict_is_in_the_engines_seconds() -> None:
    controlled = replace(RUN, name="through concur-proxy (tokens)", makespan_s=22.0)
    assert words.live_verdict([RUN, controlled], None) == (
        "Live over HTTP on this machine (sped up 12x) the fleet took 624 s without control and 264 s through the "
        "gateway: 2.4x faster."
    )


def test_a_void_comparison_has_no_verdict() -> None:
    text = words.live_verdict([RUN, RUN], "this machine is too busy")
    assert text == "The live comparison is void: this machine is too busy."


def test_the_plan_says_how_long_the_live_runs_take() -> None:
    assert words.plan(DemoOptions(), TIMES, 12.0) == "Live over HTTP, sped up 12x; this takes about 73 s:"
    assert words.plan(DemoOptions(), TIMES, 3.0) == "Live over HTTP, sped up 3x; this takes about 5 min:"
    real = DemoOptions(engine="http://gpu:8000")
    assert words.plan(real, None, 1.0) == "Live against http://gpu:8000:"
