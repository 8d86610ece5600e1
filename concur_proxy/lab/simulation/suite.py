"""Many runs in parallel processes: every scenario with every policy and every seed."""

import multiprocessing
import signal
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import fmean, geometric_mean

from concur_proxy.lab.simulation.experiment import Experiment
from concur_proxy.lab.simulation.policy import BEST_STATIC, CAPS, Policy, static
from concur_proxy.lab.simulation.result import Result
from concur_proxy.lab.simulation.scenario import Scenario


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """What to run."""

    scenarios: Sequence[Scenario]
    policies: Sequence[Policy]
    seeds: Sequence[int]
    sweeps: bool = False
    """Whether to look for the best static cap too."""
    measure: str = "makespan_s"
    """The number of `Result` by which policies are compared and the best cap is found."""

    @property
    def runs(self) -> list[tuple[Scenario, Policy, int]]:
        """All runs, the longest first, so that no process is left with a long run at the end."""
        policies = [*self.policies, *(static(cap) for cap in CAPS)] if self.sweeps else self.policies
        runs = [(scenario, policy, seed) for scenario in self.scenarios for policy in policies for seed in self.seeds]
        return sorted(runs, key=lambda run: -sum(population.agents for population in run[0].populations))

    def results(self, processes: int) -> Iterator[Result]:
        """Run everything. Yields each result as soon as it is known. Closing the iterator ends the processes."""
        if processes == 1:
            yield from map(_run, self.runs)
            return
        others = multiprocessing.active_children()
        with ProcessPoolExecutor(processes, initializer=_end_silently) as pool:
            try:
                with _interrupts_wait():
                    # `map` would cancel what is left at an error, and the pool's thread fails at a cancelled run.
                    found = deque(pool.submit(_run, run) for run in self.runs)
                while found:
                    yield found.popleft().result()
            except BaseException:
                for process in multiprocessing.active_children():
                    if process not in others:
                        process.terminate()
                raise


@contextmanager
def _interrupts_wait() -> Iterator[None]:
    """Raise `KeyboardInterrupt` for Ctrl-C at the end. Python loses one that comes while it starts a process."""
    pressed: list[int] = []
    try:
        before = signal.signal(signal.SIGINT, lambda number, _: pressed.append(number))
    except ValueError:  # not in the main thread, which alone is interrupted
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if pressed:
        raise KeyboardInterrupt


def _end_silently() -> None:
    """Let signals end a process of the pool at once: its parent reports what has happened."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def _run(run: tuple[Scenario, Policy, int]) -> Result:
    scenario, policy, seed = run
    return Experiment(scenario, policy, seed).run()


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A policy in a scenario: means over the seeds."""

    scenario: str
    policy: str
    makespan_s: float
    relative: float
    """The suite's measure relative to the best static cap, or to no control if that is better. Without the sweep:
    relative to the scenario's first policy.
    """
    results: tuple[Result, ...]

    def mean(self, name: str) -> float:
        """The mean of one of the numbers in `Result`."""
        return fmean(getattr(result, name) for result in self.results)

    def worst(self, name: str) -> float:
        """The largest of one of the numbers in `Result`."""
        return float(max(getattr(result, name) for result in self.results))


def tabulate(suite: Suite, results: Sequence[Result]) -> list[Row]:
    """One row per scenario and policy, in the suite's order. Of the swept caps only the best gets a row."""

    def measured(group: Sequence[Result]) -> float:
        return fmean(getattr(result, suite.measure) for result in group)

    grouped: dict[tuple[str, str], list[Result]] = {}
    for result in results:
        grouped.setdefault((result.scenario, result.policy), []).append(result)
    rows = []
    for scenario in suite.scenarios:
        groups = {name: grouped[scenario.name, name] for name in (policy.name for policy in suite.policies)}
        if suite.sweeps:
            groups[BEST_STATIC] = min((grouped[scenario.name, static(cap).name] for cap in CAPS), key=measured)
        yardstick = measured(next(iter(groups.values())))
        if suite.sweeps:
            rivals = [group for name, group in groups.items() if name in {BEST_STATIC, "off"}]
            yardstick = min(map(measured, rivals))
        for name, group in groups.items():
            rows.append(
                Row(
                    scenario=scenario.name,
                    policy=name,
                    makespan_s=fmean(result.makespan_s for result in group),
                    relative=measured(group) / max(yardstick, 1e-9),
                    results=tuple(group),
                )
            )
    return rows


def summary(rows: Sequence[Row]) -> dict[str, tuple[float, float]]:
    """For each policy: the geometric mean and the worst of `relative` over the scenarios."""
    relatives: dict[str, list[float]] = {}
    for row in rows:
        relatives.setdefault(row.policy, []).append(row.relative)
    return {policy: (geometric_mean(values), max(values)) for policy, values in relatives.items()}
