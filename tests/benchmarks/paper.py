"""What the model explains of the CONCUR paper's results: `python -m tests.benchmarks.paper` prints Markdown tables.

The paper (arXiv 2601.22705) reports the time of a batch of agents without control and with its controller on SGLang: up
to 4.09 times as fast with Qwen3-32B and 1.90 times with DeepSeek-V3. `concur_proxy.lab.simulation.scenarios_paper` has
its setting as far as public text gives it. The times of its tables are taken from readers' notes, not from the paper
itself. The second table looks for the load that would show such a gain: the same engines with longer contexts and more
steps. *Bound* is an engine whose cache never evicts. A factor F of a reported R is explained to log F / log R.
"""

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from math import log

from concur_proxy.lab.simulation.experiment import Experiment
from concur_proxy.lab.simulation.policy import POLICIES, static
from concur_proxy.lab.simulation.scenario import Scenario
from concur_proxy.lab.simulation.scenarios_paper import deepseek, qwen3
from tests.benchmarks.arms import best_cap

CAPS = (8, 12, 16, 24, 32, 48, 64, 96, 128, 192)
LAWS = ("off", "aimd", "tokens", "infinite-cache")


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A row of the paper."""

    name: str
    load: Callable[..., Scenario]
    off_s: float
    controlled_s: float
    """Reported seconds without control and with the paper's controller."""
    longer: Sequence[tuple[int, int]]
    """Contexts in tokens and steps of loads that could show the reported gain."""

    @property
    def reported(self) -> float:
        """How many times as fast the batch was with control."""
        return self.off_s / self.controlled_s


SETTINGS = (
    Setting(
        name="Qwen3-32B, 256 agents, 8 H100",
        load=partial(qwen3, 8),
        off_s=1480.0,
        controlled_s=362.0,
        longer=((12_000, 10), (24_000, 10), (24_000, 30)),
    ),
    Setting(
        name="Qwen3-32B, 256 agents, 2 H100",
        load=partial(qwen3, 2),
        off_s=2527.0,
        controlled_s=846.0,
        longer=((5_700, 30), (12_000, 10)),
    ),
    Setting(
        name="DeepSeek-V3, 40 agents, 16 H100",
        load=deepseek,
        off_s=3877.0,
        controlled_s=2043.0,
        longer=((10_400, 30), (20_800, 10), (20_800, 30)),
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What the model says of one load, in seconds."""

    setting: Setting
    scenario: Scenario
    seconds: dict[str, float]
    hit_rate: float
    """Without control."""
    cap: int | None
    """The best of some caps, if it was looked for."""
    is_given: bool
    """Whether the load is the paper's, as far as it is known."""

    def gain(self, law: str) -> float:
        """How many times as fast as without control."""
        return self.seconds["off"] / self.seconds[law]

    @property
    def explained(self) -> float:
        """The part of the reported gain that the paper's law has in the model, 0 or more."""
        return max(0.0, log(self.gain("aimd")) / log(self.setting.reported))


def measure(setting: Setting, longer: tuple[int, int] | None) -> Row:
    """All runs of one load. The best cap is looked for only in the paper's own."""
    scenario = setting.load() if longer is None else setting.load(context=longer[0], steps=longer[1])
    results = {law: Experiment(scenario, POLICIES[law], 1, keeps_courses=False).run() for law in LAWS}
    seconds = {law: result.makespan_s for law, result in results.items()}
    cap = None
    if longer is None:
        cap, seconds["cap"] = best_cap(
            CAPS, lambda cap: Experiment(scenario, static(cap), 1, keeps_courses=False).run().makespan_s
        )
    return Row(
        setting=setting,
        scenario=scenario,
        seconds=seconds,
        hit_rate=results["off"].hit_rate,
        cap=cap,
        is_given=longer is None,
    )


def given_table(rows: Sequence[Row]) -> Iterator[str]:
    """A row for each of the paper's settings."""
    yield (
        "| setting | reported, s | gain | model: no control, s | hits | paper's law, s | gain | default law | best cap "
        "| bound | explained |"
    )
    yield f"| --- {'| ---: ' * 10}|"
    for row in rows:
        setting, seconds = row.setting, row.seconds
        yield (
            f"| {setting.name} | {setting.off_s:.0f} to {setting.controlled_s:.0f} | {setting.reported:.2f} "
            f"| {seconds['off']:.0f} | {row.hit_rate:.2f} | {seconds['aimd']:.0f} | {row.gain('aimd'):.2f} "
            f"| {row.gain('tokens'):.2f} | {row.gain('cap'):.2f} ({row.cap}) | {row.gain('infinite-cache'):.2f} "
            f"| {100 * row.explained:.0f} % |"
        )


def longer_table(rows: Sequence[Row]) -> Iterator[str]:
    """A row for each longer load."""
    yield "| setting | load | no control, s | hits | gain of the paper's law | default law | bound | explained |"
    yield f"| --- | --- {'| ---: ' * 6}|"
    for row in rows:
        yield (
            f"| {row.setting.name} | {row.scenario.summary.split(', ')[1]} | {row.seconds['off']:.0f} "
            f"| {row.hit_rate:.2f} | {row.gain('aimd'):.2f} | {row.gain('tokens'):.2f} "
            f"| {row.gain('infinite-cache'):.2f} | {100 * row.explained:.0f} % |"
        )


def sentences(rows: Sequence[Row]) -> Iterator[str]:
    """For each setting: what the model explains, and which load would show the reported gain."""
    for row in rows:
        if not row.is_given:
            continue
        setting = row.setting
        yield (
            f"- {setting.name}: of {setting.reported:.2f}x the model explains {row.gain('aimd'):.2f}x with the paper's "
            f"law, and no law could have more than {row.gain('infinite-cache'):.2f}x there. {_shown_by(setting, rows)}"
        )


def _shown_by(setting: Setting, rows: Sequence[Row]) -> str:
    own = [row for row in rows if row.setting.name == setting.name and not row.is_given]
    best = max(own, key=lambda row: row.gain("aimd"))
    load = best.scenario.summary.split(", ")[1]
    gain = f"{best.gain('aimd'):.2f}x with the paper's law and {best.gain('tokens'):.2f}x with the default"
    if max(best.gain("aimd"), best.gain("tokens")) >= setting.reported:
        return f"A load with {load} shows it: {gain}."
    return f"None of the longer loads shows it. The nearest has {load}: {gain}."


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.paper", description=__doc__)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (default %(default)s)")
    given = parser.parse_args(arguments)
    jobs = [(setting, longer) for setting in SETTINGS for longer in (None, *setting.longer)]
    rows: list[Row] = []
    with ProcessPoolExecutor(given.jobs) as pool:
        for row in pool.map(measure, *zip(*jobs, strict=True)):
            rows.append(row)
            print(f"\r{len(rows)} of {len(jobs)} loads", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    print("\n".join(given_table([row for row in rows if row.is_given])))
    print("\nThe same engines with longer contexts and more steps:\n")
    print("\n".join(longer_table([row for row in rows if not row.is_given])))
    print("\n" + "\n".join(sentences(rows)))


if __name__ == "__main__":
    main()
