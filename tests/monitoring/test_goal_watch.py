"""What the log says about the target of a goal."""

import logging

import pytest

from concur_proxy.admission.goal import Goal, GoalStanding
from concur_proxy.monitoring.goal_watch import SHORTEST_S, GoalWatch


def standing(p99_s: float | None, *, is_met: bool | None) -> GoalStanding:
    return GoalStanding(goal=Goal.FIRST_TOKEN, target_s=20.0, first_token_p99_s=p99_s, is_met=is_met, let_through=0)


def test_a_target_that_is_not_met_is_logged_once_and_so_is_its_return(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    watch = GoalWatch("e")
    watch.note(standing(None, is_met=None), now=0.0)
    watch.note(standing(5.0, is_met=True), now=1.0)
    assert not caplog.messages, "a target that is met from the start is no news"
    watch.note(standing(31.0, is_met=False), now=2.0)
    watch.note(standing(32.0, is_met=False), now=90.0)
    (line,) = caplog.messages
    assert "the target for the first token, 20 s, is not met: 99 % come within 31 s" in line
    watch.note(standing(12.0, is_met=True), now=91.0)
    assert caplog.messages[-1] == "engine e: first tokens come within 20 s again (99 % within 12 s)"
    watch.note(standing(31.0, is_met=False), now=91.0 + SHORTEST_S / 2)
    assert len(caplog.messages) == 2, "no more than one line a minute"
    watch.note(standing(31.0, is_met=False), now=91.0 + SHORTEST_S)
    assert len(caplog.messages) == 3
