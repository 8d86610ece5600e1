"""The flags of `concur-proxy simulate` that compare goals and window sizes."""

import argparse
import dataclasses
from collections.abc import Iterator, Sequence

from concur_proxy.admission.goal import Goal
from concur_proxy.cli.parser import CommandParser, time_span
from concur_proxy.control.faults import Faults
from concur_proxy.lab.simulation.policy import BEST_STATIC, CAPS, Policy, static

GOALS = tuple(goal.value for goal in Goal)


def add_flags(parser: CommandParser) -> None:
    """Add the flags."""
    parser.add_argument(
        "--goal",
        metavar="GOAL",
        choices=GOALS,
        action="append",
        help=f"a goal to compare, with every law that has a window in tokens: {', '.join(GOALS)}; repeatable "
        "(default throughput)",
    )
    parser.add_argument(
        "--first-token-target-s",
        metavar="TIME",
        type=time_span,
        help="with --goal: time within which the first token of 99 %% of answers should come, wait included",
    )
    parser.add_argument(
        "--windows",
        action="store_true",
        help="compare every fixed cap too: how total time and TTFT change with the size of the window",
    )


def with_goals(policies: Sequence[Policy], given: argparse.Namespace) -> list[Policy]:
    """The policies under each goal, and then the fixed caps if these are wanted. The first policy stays the one that
    the others are compared with. Raises `Faults` for flags that do not fit together.
    """
    goals = [Goal(name) for name in dict.fromkeys(given.goal or [Goal.THROUGHPUT.value])]
    if given.first_token_target_s is not None and goals == [Goal.THROUGHPUT]:
        raise Faults(["--first-token-target-s: choose a --goal that has a target: balanced or first-token"])
    if given.windows and BEST_STATIC in (given.law or []):
        raise Faults([f"--windows: it includes the caps of --law {BEST_STATIC}: leave one of them out"])
    caps = [static(cap) for cap in CAPS] if given.windows else []
    return [*(each for policy in policies for each in _under(policy, goals, given.first_token_target_s)), *caps]


def _under(policy: Policy, goals: Sequence[Goal], target_s: float | None) -> Iterator[Policy]:
    if policy.law != "tokens":
        yield policy
        return
    for goal in goals:
        if goal is Goal.THROUGHPUT:
            yield policy
            continue
        name = f"{policy.name}, {goal.value}" + ("" if target_s is None else f" {target_s:g} s")
        yield dataclasses.replace(policy, name=name, goal=goal, first_token_target_s=target_s)
