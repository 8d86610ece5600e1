"""Loads drawn at random, of each kind of `concur-proxy simulate --list` but the paper's: a new one for each seed."""

import dataclasses
from collections.abc import Callable
from random import Random

from concur_proxy.lab.engine.cost import CostModel
from concur_proxy.lab.engine.engine import EngineShape
from concur_proxy.lab.simulation.arrivals import AtOnce, Poisson, Waves
from concur_proxy.lab.simulation.paces import HUMAN, TRAINING
from concur_proxy.lab.simulation.plan import Kinship
from concur_proxy.lab.simulation.rewriting import Rewrites
from concur_proxy.lab.simulation.rollouts import RollOuts
from concur_proxy.lab.simulation.scenario import HeavyTailed, Population, Scenario, Spread, SubAgents, Uniform

MOST_SHARED = 0.8
GROUPS = (1, 1, 1, 4, 8, 16)
"""Half of the loads with shared prompts have one prompt for all."""


def load(seed: int, *, share: float | None = None, groups: int = 1) -> Scenario:
    """Draw a load at random. Sizes and times are spread evenly over their orders of magnitude.

    `share` is the part of the contexts that the agents of each of the `groups` have in common. It is added to what an
    agent has of its own, but a context has at most a third of the cache. None: agents share a little of the first
    prompt.
    """
    random = Random(seed)
    capacity = round(24_000 * 2 ** random.uniform(0, 4.5))
    prefill_tokens_s = 3_000 * 2 ** random.uniform(0, 3.5)
    step_s = random.choice([0.008, 0.015, 0.022, 0.035])
    context = capacity / 2 ** random.uniform(2.5, 5.5)
    turns = random.choice([4, 8, 12, 25])
    tool_s = 0.2 * 2 ** random.uniform(0, 7)
    gap: Spread = Uniform(0.3 * tool_s, 2 * tool_s)
    if random.random() < 1 / 3:
        gap = HeavyTailed(tool_s, random.choice([0.7, 1.0, 1.5]), 40 * tool_s)
    if share is not None:
        context = min(context / (1 - share), capacity / 3)
    own = context * (1 - (share or 0.0))
    first = own * random.choice([0.1, 0.3])
    growth = max(20.0, (own - first) / turns)
    answer = random.choice([0.1, 0.3, 0.6]) * growth
    ways: list[AtOnce | Waves | Poisson] = [AtOnce(), AtOnce(), Waves(size=16, every_s=30.0), Poisson(per_s=0.5)]
    arrivals = random.choice(ways)
    population = Population(
        agents=random.choice([48, 96]),
        turns=Uniform(0.8 * turns, 1.2 * turns),
        shared_tokens=round(0.3 * first if share is None else share * context),
        groups=groups,
        first_tokens=Uniform(0.5 * first, first),
        growth_tokens=Uniform(0.5 * (growth - answer), 1.5 * (growth - answer)),
        answer_tokens=Uniform(max(4.0, 0.5 * answer), 1.5 * answer + 4),
        gap_s=gap,
        arrivals=arrivals,
        says_end=random.random() < 0.3,
    )
    name = (
        f"{seed}: cache {capacity // 1000}k, prefill {prefill_tokens_s / 1000:.0f}k/s, step {1000 * step_s:.0f} ms; "
        f"{population.agents} agents, {turns} turns to {context / 1000:.1f}k, tools {tool_s:.1f} s, "
        f"{type(arrivals).__name__.lower()}"
    )
    cost = CostModel(step_s=step_s, prefill_tokens_s=prefill_tokens_s)
    return Scenario(
        name=name, summary="", populations=[population], shape=EngineShape(capacity_tokens=capacity, cost=cost)
    )


def shared_load(seed: int) -> Scenario:
    """Draw a load, and how much of it is shared by whom."""
    random = Random(f"shared {seed}")
    share, groups = random.uniform(0, MOST_SHARED), random.choice(GROUPS)
    whom = "by all" if groups == 1 else f"in {groups} groups"
    return _named(load(seed, share=share, groups=groups), f"{share:.0%} shared {whom}".replace("%", " %"))


def _named(scenario: Scenario, what: str) -> Scenario:
    return dataclasses.replace(scenario, name=f"{scenario.name}; {what}")


def _population(scenario: Scenario) -> Population:
    (population,) = scenario.populations
    assert isinstance(population, Population)
    return population


def _context(population: Population) -> float:
    """The mean length of the last context, about."""
    turns = population.turns.draw(Random(1))
    random = Random(2)
    each = population.growth_tokens.draw(random) + population.answer_tokens.draw(random)
    return population.shared_tokens + turns * each


def _families(scenario: Scenario, random: Random) -> Scenario:
    population = _population(scenario)
    count, kinship = random.choice([2, 3, 5]), random.choice([Kinship.MEMBER, Kinship.PARENT_KEY])
    sub_agents = SubAgents(
        count=count,
        every=random.choice([2, 3]),
        kinship=kinship,
        shared_tokens=population.shared_tokens,
        first_tokens=population.first_tokens,
        growth_tokens=population.growth_tokens,
        answer_tokens=population.answer_tokens,
        gap_s=population.gap_s,
    )
    families = dataclasses.replace(population, agents=population.agents // 3, sub_agents=sub_agents)
    how = "one key a family" if kinship is Kinship.MEMBER else "own keys"
    return _named(dataclasses.replace(scenario, populations=[families]), f"a third of them, {count} sub-agents, {how}")


def _roll_outs(scenario: Scenario, random: Random) -> Scenario:
    population = _population(scenario)
    samples = random.choice([4, 8, 16])
    prompt = _context(population) * random.uniform(0.2, 0.8)
    roll_outs = RollOuts(
        groups=population.agents // samples,
        samples=samples,
        agent=dataclasses.replace(population, groups=1),
        prompt_tokens=Uniform(0.7 * prompt, 1.3 * prompt),
    )
    what = f"{samples} roll-outs of each prompt of {prompt / 1000:.1f}k, all at once"
    return _named(dataclasses.replace(scenario, populations=[roll_outs]), what)


def _histories(scenario: Scenario, random: Random) -> Scenario:
    population = _population(scenario)
    limit = round(_context(population) * random.uniform(0.3, 0.8)) + 200
    reasoning = random.uniform(0.3, 0.9)
    habits = {
        f"{reasoning:.0%} of answers dropped".replace("%", " %"): Rewrites(reasoning=reasoning),
        f"old results cleared above {limit:,}": Rewrites(clears_above=limit),
        f"compacted above {limit:,}": Rewrites(compacts_above=limit, summary_tokens=max(64, limit // 10)),
    }
    what = random.choice(list(habits))
    return _named(_changed(scenario, rewrites=habits[what]), what)


def _no_key(scenario: Scenario, random: Random) -> Scenario:
    scenario = random.choice([lambda one, _: one, _histories, _roll_outs])(scenario, random)
    populations = [
        dataclasses.replace(each, agent=dataclasses.replace(each.agent, has_name=False))
        if isinstance(each, RollOuts)
        else dataclasses.replace(each, has_name=False)
        for each in scenario.populations
        if isinstance(each, RollOuts | Population)
    ]
    return _named(dataclasses.replace(scenario, populations=populations), "no key")


def _engines(scenario: Scenario, random: Random) -> Scenario:
    shape = scenario.shape
    if random.random() < 1 / 3:
        reported = shape.capacity_tokens // random.choice([4, 16, 64])
        return _named(dataclasses.replace(scenario, reported_tokens=reported), f"hybrid, reports {reported:,} tokens")
    size, speed = random.choice([0.5, 1.0, 2.0, 4.0]), random.choice([1.5, 3.0, 10.0])
    cost = dataclasses.replace(shape.cost, load_tokens_s=speed * shape.cost.prefill_tokens_s)
    shape = dataclasses.replace(shape, host_tokens=round(size * shape.capacity_tokens), cost=cost)
    what = f"host tier of {size:g} caches, {speed:g} times as fast as prefill"
    return _named(dataclasses.replace(scenario, shape=shape), what)


def _paces(scenario: Scenario, random: Random) -> Scenario:
    what, gap = random.choice([("human-paced", HUMAN), ("training-paced", TRAINING)])
    return _named(_changed(scenario, gap_s=gap), what)


def _tenants(scenario: Scenario, random: Random) -> Scenario:
    batch = dataclasses.replace(_population(scenario), tenant="batch", gap_s=TRAINING)
    weight, priority = random.choice([1.0, 3.0]), random.choice([0, 1])
    people = dataclasses.replace(
        batch,
        agents=batch.agents // 4,
        tenant="people",
        weight=weight,
        priority=priority,
        gap_s=HUMAN,
        turns=Uniform(3, 6),
        arrivals=Poisson(per_s=0.2),
    )
    what = f"batch, and {people.agents} people of weight {weight:g} and priority {priority}"
    return _named(dataclasses.replace(scenario, populations=[batch, people]), what)


def _changed(scenario: Scenario, **changes: object) -> Scenario:
    population = dataclasses.replace(_population(scenario), **changes)  # type: ignore[arg-type]
    return dataclasses.replace(scenario, populations=[population])


_CHANGES: dict[str, Callable[[Scenario, Random], Scenario]] = {
    "families": _families,
    "roll-outs": _roll_outs,
    "histories": _histories,
    "no-key": _no_key,
    "engines": _engines,
    "paces": _paces,
    "tenants": _tenants,
}

RANDOM_KINDS = ("separate", "shared", *_CHANGES)


def draw(kind: str, seed: int) -> Scenario:
    """A load of this kind."""
    if kind == "separate":
        return load(seed)
    if kind == "shared":
        return shared_load(seed)
    return _CHANGES[kind](load(seed), Random(f"{kind} {seed}"))
