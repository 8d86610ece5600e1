from dataclasses import replace

import pytest

from concur_proxy.lab.demo import words
from concur_proxy.lab.demo.course import Course
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


FREE = Course(
    total_s=547.0, hit_rate=0.16, recomputed_tokens=1_056_988, turn_p50_s=43.4, turn_p99_s=83.6, longest_wait_s=None
)
CONTROLLED = Course(
    total_s=218.0, hit_rate=0.8, recomputed_tokens=90_812, turn_p50_s=2.7, turn_p99_s=139.0, longest_wait_s=141.4
)


def test_three_sentences_say_what_happened() -> None:
    hits, recomputed, waits = words.lessons([FREE, CONTROLLED], is_live=True)
    assert hits == "Cache hits: 16 % of the prompt tokens without control, 80 % through the gateway."
    assert recomputed == (
        "Recomputed: 1.06M tokens without control, 91k through the gateway. "
        "The engine had computed them before, and no longer had them."
    )
    assert waits == (
        "Waits: half of the turns took more than 43 s without control, and more than 2.7 s through the gateway, "
        "where no agent waited longer than 141 s for its place."
    )


def test_the_sentences_say_where_the_figures_come_from_and_what_is_not_known() -> None:
    unknown = replace(CONTROLLED, hit_rate=None, recomputed_tokens=None, longest_wait_s=0.0)
    hits, recomputed, waits = words.lessons([FREE, unknown], is_live=False)
    assert hits == (
        "Cache hits, in virtual time: 16 % of the prompt tokens without control, an unknown share through the gateway."
    )
    assert recomputed.endswith("not known, because the engine's answers do not report cached tokens.")
    assert waits.endswith("where no agent waited for its place.")
    assert words.lessons([], is_live=False) == []


def test_the_introduction_names_the_kinds_of_agents() -> None:
    assert words.introduction(DemoOptions()) == (
        "56 agents with 10 turns each, all started at once, on an emulated engine: 21 with a session name, "
        "14 without a session name, 7 with 2 sub-agents each, 14 with a long system prompt in common."
    )


def test_the_next_step_is_a_command_and_a_guide() -> None:
    assert words.next_step(DemoOptions(engine="http://gpu:8000")) == (
        "Next: concur-proxy serve --engine http://gpu:8000, and point your agents at it. How they are "
        "recognised: deploy/docs/guides/sessions.md."
    )
