from argparse import Namespace

import pytest

from concur_proxy.cli.policies import chosen_laws, chosen_policies, serve_flags
from concur_proxy.control.faults import Faults, problems_of


def _given(*laws: str, **flags: object) -> Namespace:
    others: dict[str, object] = {"set": [], "idle_lease": None, "no_work_conserving": False, "goal": None}
    return Namespace(law=list(laws), **{**others, "first_token_target_s": None, "windows": False, **flags})


def test_three_laws_are_compared_by_default() -> None:
    assert chosen_laws(_given()) == ["off", "aimd", "tokens"]
    assert [policy.name for policy in chosen_policies(_given())] == ["off", "aimd", "tokens"]


def test_a_law_may_bring_its_own_options() -> None:
    shared, own = chosen_policies(_given("tokens", "tokens:factor=0.9", set=[("factor", "0.8")]))
    assert (shared.options["factor"], own.options["factor"], own.law) == ("0.8", "0.9", "tokens")


def test_a_shared_option_is_only_for_laws_that_have_it() -> None:
    static, tokens = chosen_policies(_given("static", "tokens", set=[("factor", "0.8")]))
    assert ("factor" in static.options, tokens.options["factor"]) == (False, "0.8")


def test_lease_and_window_are_the_same_for_all() -> None:
    chosen = chosen_policies(_given("aimd", "tokens", idle_lease=7.0, no_work_conserving=True))
    assert [(policy.idle_lease_s, policy.work_conserving) for policy in chosen] == [(7.0, False)] * 2


@pytest.mark.parametrize(
    ("law", "flags", "expected"),
    [
        ("tokens", {}, ""),
        ("tokens:factor=0.8", {}, "--set factor=0.8"),
        ("static", {"set": [("window", "8")]}, "--law static --set window=8"),
        ("concur_proxy.control.laws.vegas:build", {}, "--law concur_proxy.control.laws.vegas:build"),
        ("tokens", {"goal": ["balanced"]}, "--goal balanced"),
        (
            "tokens",
            {"goal": ["first-token"], "first_token_target_s": 90.0},
            "--goal first-token --first-token-target-s 90",
        ),
    ],
)
def test_a_policy_is_said_as_flags_that_serve_takes(law: str, flags: dict[str, object], expected: str) -> None:
    (policy,) = chosen_policies(_given(law, **flags))
    assert serve_flags(policy) == expected


def test_the_best_cap_is_no_policy_of_its_own() -> None:
    given = _given("best-static", "tokens")
    assert (chosen_laws(given), [policy.name for policy in chosen_policies(given)]) == (
        ["best-static", "tokens"],
        ["tokens"],
    )


def test_every_option_that_no_law_has_is_named() -> None:
    with pytest.raises(Faults) as caught:
        chosen_policies(_given("tokens", set=[("speed", "1"), ("mniimum", "9")]))
    problems = problems_of(caught.value)
    assert [problem.partition(":")[0] for problem in problems] == ["--set speed=1", "--set mniimum=9"]
    assert "did you mean minimum?" in problems[1]
