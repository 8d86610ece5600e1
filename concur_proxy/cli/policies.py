"""The control laws that `concur-proxy simulate` compares, as its flags name them."""

import argparse
import dataclasses
from collections.abc import Sequence

from concur_proxy import plugins
from concur_proxy.admission.goal import Goal
from concur_proxy.cli.comparison import installed_laws
from concur_proxy.cli.flags import read_option
from concur_proxy.cli.goals import with_goals
from concur_proxy.control.faults import Faults
from concur_proxy.lab.simulation.policy import BEST_STATIC, POLICIES, Policy


def chosen_policies(given: argparse.Namespace) -> list[Policy]:
    """What is compared, with its options. Raises `ValueError` for an unknown law and a wrong option."""
    chosen = [_policy(name, dict(given.set)) for name in chosen_laws(given) if name != BEST_STATIC]
    if given.idle_lease is not None:
        chosen = [dataclasses.replace(policy, idle_lease_s=given.idle_lease) for policy in chosen]
    if given.no_work_conserving:
        chosen = [dataclasses.replace(policy, work_conserving=False) for policy in chosen]
    problems = [
        f"--set {key}={value}: {_near_options(key, [policy.law for policy in chosen])}"
        for key, value in given.set
        if not any(_knows(policy.law, key, value) for policy in chosen)
    ]
    if problems:
        raise Faults(problems)
    for policy in chosen:
        plugins.build(plugins.LAWS, policy.law, policy.options)  # ValueError if an option is wrong
    return with_goals(chosen, given)


def chosen_laws(given: argparse.Namespace) -> list[str]:
    """The laws that `--law` names, or the default ones."""
    return given.law or ["off", "aimd", "tokens"]


def serve_flags(policy: Policy) -> str:
    """The flags of `serve` that choose the policy's law and goal, such as "--law static --set window=24". Empty for the
    defaults.
    """
    flags = [] if policy.law == "tokens" else [f"--law {policy.law}"]
    flags += [f"--set {key}={value}" for key, value in policy.options.items()]
    if policy.goal is not Goal.THROUGHPUT:
        flags.append(f"--goal {policy.goal.value}")
    if policy.first_token_target_s is not None:
        flags.append(f"--first-token-target-s {policy.first_token_target_s:g}")
    return " ".join(flags)


def _policy(name: str, options: dict[str, str]) -> Policy:
    parts = name.split(":")
    own_options = dict(read_option(text) for text in parts if "=" in text)
    base = ":".join(text for text in parts if "=" not in text)
    if base in POLICIES:
        policy = POLICIES[base]
    elif base in plugins.available(plugins.LAWS) or ":" in base:
        policy = Policy(name=base, law=base)
    else:
        choices = [*POLICIES, *installed_laws(), BEST_STATIC]
        raise ValueError(f"there is no law {base!r}: {plugins.choice(plugins.LAWS, base, choices)}")
    # --set applies only to the laws that know the option
    shared = {key: value for key, value in options.items() if _knows(policy.law, key, value)}
    return dataclasses.replace(policy, name=name, options={**policy.options, **shared, **own_options})


def _knows(law: str, key: str, value: str) -> bool:
    try:
        plugins.build(plugins.LAWS, law, {key: value})
    except ValueError as error:
        return "no option" not in str(error)
    return True


def _near_options(key: str, laws: Sequence[str]) -> str:
    """Why no law takes this option, with the options that may be meant."""
    hints: dict[str, list[str]] = {}
    for law in dict.fromkeys(laws):
        try:
            plugins.build(plugins.LAWS, law, {key: "1"})
        except ValueError as error:
            hints.setdefault(str(error).rpartition(": ")[2], []).append(law)
    near = {hint: names for hint, names in hints.items() if hint.startswith("did you mean")} or hints
    return "no law has this option: " + "; ".join(f"{hint} ({', '.join(names)})" for hint, names in near.items())
