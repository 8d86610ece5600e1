"""How well the simulator predicts a real vLLM: `python -m tests.real_engine.predict TABLE`.

TABLE is a table that `python -m tests.real_engine.fleet` wrote. The three numbers of the cost model are fitted to the
runs without control and with the fewest agents. All other arms are predicted and compared with the measurement. Takes
about two minutes.
"""

import argparse
import math
import re
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from pathlib import Path
from statistics import fmean

from concur_proxy.lab.engine.cost import CostModel
from concur_proxy.lab.engine.engine import EngineShape
from concur_proxy.lab.simulation.experiment import Experiment
from concur_proxy.lab.simulation.policy import POLICIES, Policy, static
from concur_proxy.lab.simulation.scenario import Population, Scenario, Uniform
from tests.real_engine.arms import DEFAULT, DIRECT
from tests.real_engine.fleet import CAPACITY_TOKENS
from tests.real_engine.vllm_server import BLOCK_TOKENS

SEEDS = (1, 2, 3)
PREFILL_TOKENS_S = (600, 700, 800, 900, 1000, 1150, 1300, 1500, 1800, 2200, 2600, 3100)
STEP_S = (0.002, 0.005, 0.01, 0.02, 0.03, 0.045)
DECODE_S = (0.001, 0.002, 0.005, 0.01, 0.02)
CALIBRATING = (DIRECT, "2 agents", "3 agents")
"""The first of these, and the first of the others that was measured."""


def scenario(cost: CostModel) -> Scenario:
    """The agents of the fleet, in tokens of the real server, on an engine with this speed."""
    population = Population(
        agents=16,
        turns=Uniform(10, 10),
        shared_tokens=64,
        first_tokens=Uniform(210, 390),
        growth_tokens=Uniform(140, 260),
        answer_tokens=Uniform(10, 22),
        gap_s=Uniform(0.5, 1.5),
    )
    shape = EngineShape(
        capacity_tokens=CAPACITY_TOKENS["vllm"], block_tokens=BLOCK_TOKENS, token_budget=1024, cost=cost
    )
    return Scenario(name="vllm-cpu", summary="", populations=[population], shape=shape)


def policy_of(arm: str) -> Policy:
    """The name of the arm in the simulator."""
    if arm == DIRECT:
        return POLICIES["off"]
    if arm == DEFAULT:
        return POLICIES["tokens"]
    if agents := re.fullmatch(r"(\d+) agents", arm):
        return static(int(agents[1]))
    if limit := re.match(r"(\d+) requests", arm):
        return Policy(
            name="requests", law="static", options={"window": int(limit[1])}, knows_sessions=False, reads_prompts=False
        )
    return POLICIES["aimd-leased"]  # the gateway runs the law in this variant


def predict(cost: CostModel, arm: str, seeds: Sequence[int] = SEEDS) -> float:
    """Total time in seconds, mean over the seeds."""
    policy = policy_of(arm)
    return fmean(Experiment(scenario(cost), policy, seed).run().makespan_s for seed in seeds)


def read_table(path: Path) -> dict[str, float]:
    """Measured total times by arm."""
    rows = re.findall(r"^\| ([^|]+?) \| ([\d.]+) \|", path.read_text(), flags=re.MULTILINE)
    return {arm: float(seconds) for arm, seconds in rows}


def misfit(fitted: tuple[CostModel, dict[str, float]]) -> float:
    """Squared error of the calibrating arms, in logarithms."""
    cost, measured = fitted
    return sum(math.log(predict(cost, arm, (1,)) / seconds) ** 2 for arm, seconds in measured.items())


def main(arguments: Sequence[str] | None = None) -> None:
    """Fit, predict and print a Markdown table."""
    parser = argparse.ArgumentParser(prog="python -m tests.real_engine.predict", description=__doc__)
    parser.add_argument("table", type=Path)
    measured = read_table(parser.parse_args(arguments).table)
    second = next(arm for arm in CALIBRATING[1:] if arm in measured)
    known = {arm: measured[arm] for arm in (DIRECT, second)}
    costs = [
        CostModel(prefill_tokens_s=prefill, step_s=step, decode_s=decode)
        for prefill, step, decode in product(PREFILL_TOKENS_S, STEP_S, DECODE_S)
    ]
    with ProcessPoolExecutor() as pool:
        misfits = list(pool.map(misfit, [(cost, known) for cost in costs], chunksize=4))
        best = costs[min(range(len(costs)), key=misfits.__getitem__)]
        arms = list(measured)
        predicted = list(pool.map(predict, [best] * len(arms), arms))
    fitted = f"{best.prefill_tokens_s:g} tokens/s, {best.step_s:g} s a step, {best.decode_s:g} s a sequence"
    print(f"Fitted: {fitted}\n")
    print("| arm | measured, s | predicted, s | error |\n| --- | ---: | ---: | ---: |")
    for arm, seconds in zip(arms, predicted, strict=True):
        error = "fitted" if arm in known else f"{100 * (seconds / measured[arm] - 1):+.0f} %"
        print(f"| {arm} | {measured[arm]:.1f} | {seconds:.1f} | {error} |")


if __name__ == "__main__":
    main()
