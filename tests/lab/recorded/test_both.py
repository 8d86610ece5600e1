from dataclasses import replace
from pathlib import Path
from statistics import fmean

import pytest

from concur_proxy.lab.recorded.both import NoReplay, ReplayedFleet, replay_both
from concur_proxy.lab.recorded.part import was_controlled
from concur_proxy.lab.recorded.replay import Arm
from tests.lab.recorded.recordings import CROWDED, FAMILIES, ROOMY, SLOW_TOOLS, record, request, requests_of


def replayed(path: Path) -> ReplayedFleet:
    (fleet,) = replay_both(requests_of(path), capacity_tokens=None, on_step=lambda _: None)
    return fleet


def error(arm: Arm) -> float:
    """How much longer the mean turn takes in the replay, as a part of it."""
    recorded = fmean(turn.recorded.duration_s for turn in arm.turns)
    return fmean(turn.duration_s for turn in arm.turns) / recorded - 1


@pytest.mark.parametrize("scenario", [CROWDED, ROOMY, FAMILIES], ids=lambda scenario: scenario.name)
def test_the_replay_of_the_recorded_mode_takes_as_long_as_the_recording(tmp_path: Path, scenario: object) -> None:
    fleet = replayed(record(tmp_path / "trace.jsonl", scenario))  # type: ignore[arg-type]
    assert abs(error(fleet.without)) < 0.12
    assert len(fleet.without.turns) == len(fleet.controlled.turns) == len(fleet.load.requests)


def test_control_saves_what_a_crowded_engine_computes_again(tmp_path: Path) -> None:
    fleet = replayed(record(tmp_path / "trace.jsonl", CROWDED))
    assert fleet.without.recomputed_tokens > 0.4 * fleet.without.prompt_tokens
    assert fleet.controlled.recomputed_tokens < 0.2 * fleet.without.recomputed_tokens
    assert fleet.controlled.busy_s < 0.8 * fleet.without.busy_s


@pytest.mark.parametrize("scenario", [CROWDED, SLOW_TOOLS], ids=lambda scenario: scenario.name)
def test_the_replay_with_control_takes_as_long_as_the_same_load_under_control(
    tmp_path: Path,
    scenario: object,
) -> None:
    """Over several fleets: a few milliseconds move the mean turn of a single one under control by up to a tenth."""
    said, measured = [], []
    for seed in (1, 2, 3):
        found = replayed(record(tmp_path / "free.jsonl", scenario, seed=seed)).controlled  # type: ignore[arg-type]
        controlled = record(tmp_path / "controlled.jsonl", scenario, "tokens", seed=seed)  # type: ignore[arg-type]
        said += [turn.duration_s for turn in found.turns]
        measured += [request.duration_s for request in requests_of(controlled)]
    assert fmean(said) == pytest.approx(fmean(measured), rel=0.1)


def test_it_knows_when_no_cache_is_worth_keeping(tmp_path: Path) -> None:
    slow, crowded = (replayed(record(tmp_path / "trace.jsonl", each)) for each in (SLOW_TOOLS, CROWDED))
    assert slow.without.recomputed_tokens > 0.4 * slow.without.prompt_tokens
    assert slow.controlled.busy_s == pytest.approx(slow.without.busy_s, rel=0.05)
    assert slow.controlled.kept_no_caches > 0.5
    assert crowded.controlled.kept_no_caches < 0.1


def test_a_recording_under_control_is_compared_with_the_replay_under_control(tmp_path: Path) -> None:
    path = record(tmp_path / "trace.jsonl", CROWDED, "tokens")
    assert was_controlled(requests_of(path))
    assert abs(error(replayed(path).controlled)) < 0.2


def test_answers_that_are_not_streamed_are_fitted_by_replays(tmp_path: Path) -> None:
    small = replace(ROOMY, populations=[replace(ROOMY.populations[0], agents=5)])  # type: ignore[type-var]
    steps: list[str] = []
    requests = requests_of(record(tmp_path / "trace.jsonl", small, streams=False))
    (fleet,) = replay_both(requests, capacity_tokens=None, on_step=steps.append)
    assert len(steps) > 10
    assert abs(error(fleet.without)) < 0.12


def test_the_speeds_are_checked_with_other_requests(tmp_path: Path) -> None:
    found = replayed(record(tmp_path / "trace.jsonl", CROWDED))
    assert found.fit is not None
    assert found.fit.is_checked
    assert len(found.fit.requests) == -(-len(found.load.requests) // 3)


def test_it_says_why_there_is_no_replay() -> None:
    requests = [request("a", float(at), 5000) for at in range(40)]
    cases = [
        (requests[:3], 9000, "only 3 requests"),
        (requests, None, "--capacity-tokens"),
        (requests, 3000, "exceeds"),
    ]
    for given, capacity_tokens, says in cases:
        with pytest.raises(NoReplay, match=says):
            replay_both(given, capacity_tokens=capacity_tokens, on_step=lambda _: None)
