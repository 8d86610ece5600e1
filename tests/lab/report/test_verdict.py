from dataclasses import replace

import pytest

from concur_proxy.lab.report.verdict import Finding, judge
from tests.lab.report.reports import CONTROLLED, WITHOUT, checked, comparison, measured

FEW = replace(WITHOUT, recomputed_tokens=100_000)


def test_it_says_what_would_have_been_saved_and_the_setting() -> None:
    verdict = judge(measured(), comparison())
    assert verdict.finding is Finding.SAVES
    assert verdict.sentence == (
        "Control would have saved 50 % of the engines' time (60 min), the recomputation of 7.5M of 8M tokens and 50 % "
        "of the mean turn (20 s to 10 s)."
    )
    assert verdict.advice == 'Use mode = "enforce" (--mode enforce).'


def test_a_recording_under_control_says_what_was_saved() -> None:
    verdict = judge(measured(), comparison(was_controlled=True))
    assert verdict.sentence.startswith("Control saved 50 %")
    assert verdict.advice.startswith("Keep")


def test_a_replay_that_misses_the_recording_gives_no_figure() -> None:
    verdict = judge(measured(), comparison(checks=[checked(-0.31)]))
    assert verdict.finding is Finding.UNKNOWN
    assert verdict.sentence == (
        'No saving is stated: the replay misses the recorded "mean turn" by 31 %, and at most 20 % is accepted.'
    )


@pytest.mark.parametrize(
    ("without", "controlled", "error", "finding"),
    [
        (FEW, FEW, 0.01, Finding.NOT_NEEDED),
        (WITHOUT, replace(WITHOUT, busy_s=7000.0), 0.01, Finding.NO_DIFFERENCE),
        (WITHOUT, replace(WITHOUT, busy_s=6300.0, mean_turn_s=18.0), 0.15, Finding.NO_DIFFERENCE),
        (WITHOUT, replace(WITHOUT, busy_s=6300.0, mean_turn_s=18.0), 0.05, Finding.SAVES),
        (WITHOUT, replace(CONTROLLED, mean_turn_s=30.0), 0.01, Finding.COSTS),
        (WITHOUT, replace(WITHOUT, mean_turn_s=30.0), 0.01, Finding.COSTS),
    ],
)
def test_a_gain_within_the_error_is_none(without: object, controlled: object, error: float, finding: Finding) -> None:
    assert (
        judge(measured(), comparison(without=without, controlled=controlled, checks=[checked(error)])).finding
        is finding
    )


def test_it_says_why_control_lets_everybody_pass() -> None:
    verdict = judge(measured(), comparison(controlled=replace(WITHOUT, kept_no_caches=0.9)))
    assert verdict.finding is Finding.NO_DIFFERENCE
    assert verdict.sentence == (
        "Control would make no clear difference: the engine computes its whole cache in 43 s, and tool calls take "
        "about as long or longer. Keeping a context for its next turn is not worth a wait then, so nobody waits."
    )
    assert "record a busier day" not in verdict.advice


def test_what_is_not_saved_is_not_named() -> None:
    verdict = judge(measured(), comparison(controlled=replace(WITHOUT, mean_turn_s=10.0)))
    assert verdict.sentence == "Control would have saved 50 % of the mean turn (20 s to 10 s)."


def test_without_a_replay_it_goes_by_what_was_recomputed() -> None:
    much = judge(measured(lost=500, wait_s=0.0), None, "no cache size")
    assert much.sentence == "Measured only: nothing was replayed (no cache size)."
    assert "worth trying" in much.advice
    assert "not needed" in judge(measured(lost=0, wait_s=0.0), None).advice


def test_little_recomputation_under_control_does_not_say_that_control_is_not_needed() -> None:
    little = judge(measured(lost=0), comparison(was_controlled=True, checks=[checked(-0.31)])).advice
    assert little == (
        'With control, 0 % of the returning tokens were computed again: keep mode = "enforce" (--mode enforce).'
    )
    assert judge(measured(lost=500), None).advice.startswith("With control, ")
