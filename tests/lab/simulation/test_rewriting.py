"""Clients that change their histories: what the engine finds in its cache, and what the gateway sees."""

import pytest

from concur_proxy.lab.simulation.history import RecordedHistory
from concur_proxy.lab.simulation.plan import AgentPlan, Turn
from concur_proxy.lab.simulation.rewriting import Rewrites

SHARED = 160


def _sizes(rewrites: Rewrites, turns: int = 5, *, new: int = 320, answer: int = 160) -> list[tuple[int, int]]:
    """The tokens of each request's prompt, and how many of them were computed before."""
    plan = AgentPlan(
        name="agent-0",
        number=0,
        start_s=0.0,
        turns=tuple(Turn(new_tokens=new, answer_tokens=answer) for _ in range(turns)),
        shared_tokens=SHARED,
    )
    history = RecordedHistory()
    sizes = []
    for turn in rewrites.apply(plan).turns:
        prompts = history.extend(turn)
        assert len(prompts.chains) == 1
        sizes.append((prompts.prompt_tokens, prompts.history_tokens))
        history.answered(turn)
    return sizes


def test_a_client_without_habits_sends_its_whole_history() -> None:
    assert _sizes(Rewrites(), 3) == [(480, 0), (960, 640), (1440, 1120)]


def test_reasoning_is_not_sent_again_and_what_follows_it_is_computed_again() -> None:
    # half of each answer of 160 tokens stays. The cache has it behind the reasoning, where it is of no use.
    assert _sizes(Rewrites(reasoning=0.5), 3) == [(480, 0), (880, 480), (1280, 880)]


def test_old_results_are_cleared_and_the_cache_is_of_use_up_to_the_first_of_them() -> None:
    sizes = _sizes(Rewrites(clears_above=1500, kept_results=1), 4)
    assert sizes[:3] == [(480, 0), (960, 640), (1440, 1120)]
    # two results of 320 tokens became notes of 16 tokens, and only the system prompt is unchanged
    assert sizes[3] == (1920 - 2 * (320 - 16), SHARED)


def test_what_was_cleared_once_stays_as_it_is() -> None:
    cleared, after = _sizes(Rewrites(clears_above=1500, kept_results=3), 5)[3:]
    assert cleared == (1920, 1600), "three results and no older ones: nothing to clear"
    assert after == (2400 - (320 - 16), SHARED)


def test_a_summary_replaces_the_history_and_asking_for_it_is_a_request() -> None:
    sizes = _sizes(Rewrites(compacts_above=1500, summary_tokens=320), 4)
    assert sizes[:3] == [(480, 0), (960, 640), (1440, 1120)]
    assert sizes[3] == (1600 + 16, 1600), "the request for a summary has the whole history"
    assert sizes[4] == (SHARED + 320 + 320, SHARED)
    assert len(sizes) == 5


def test_sub_agents_with_the_same_history_are_refused() -> None:
    plan = AgentPlan(name="a", number=0, start_s=0.0, turns=(Turn(new_tokens=1, answer_tokens=1, side_requests=1),))
    with pytest.raises(ValueError, match="side requests"):
        Rewrites().apply(plan)
