"""Loads whose agents change their histories, have no session key, work in groups, or have different paces and owners.

64 agents share 150,000 tokens of cache, so that the knee is where it is in `base`, and a run takes half the time.
"""

from dataclasses import replace

from concur_proxy.lab.engine.cost import CostModel
from concur_proxy.lab.engine.engine import EngineShape
from concur_proxy.lab.simulation.arrivals import AtOnce, Poisson, Waves
from concur_proxy.lab.simulation.paces import HUMAN, TRAINING
from concur_proxy.lab.simulation.rewriting import Rewrites
from concur_proxy.lab.simulation.rollouts import RollOuts
from concur_proxy.lab.simulation.scenario import Population, Scenario, SubAgents, Uniform

SHAPE = EngineShape(capacity_tokens=150_000)

_AGENTS = Population(agents=64)
_SHORT_ANSWERS = replace(_AGENTS, turns=Uniform(14, 18), growth_tokens=Uniform(400, 1000), gap_s=TRAINING)
_NO_KEY = replace(_AGENTS, has_name=False)
_COMPACTION = Rewrites(compacts_above=12_000, summary_tokens=1000)

ROLL_OUTS: tuple[Scenario, ...] = (
    Scenario(
        name="roll-outs",
        summary="16 tasks, 8 roll-outs of each with the same first prompt, which end together; tools mostly below 1 s",
        populations=[RollOuts(groups=16, samples=8, agent=_SHORT_ANSWERS)],
        shape=SHAPE,
    ),
    Scenario(
        name="roll-outs-in-steps",
        summary="as roll-outs, 8 tasks of 16 roll-outs with 8k shared tokens, two tasks every 90 s",
        populations=[
            RollOuts(
                groups=8,
                samples=16,
                agent=replace(_SHORT_ANSWERS, turns=Uniform(8, 14)),
                prompt_tokens=Uniform(6000, 10_000),
                groups_a_step=2,
                step_s=90.0,
            )
        ],
        shape=SHAPE,
    ),
)

HISTORIES: tuple[Scenario, ...] = (
    Scenario(
        name="dropped-reasoning",
        summary="answers of 300 to 700 tokens, of which three quarters are reasoning that is not sent again",
        populations=[replace(_AGENTS, answer_tokens=Uniform(300, 700), rewrites=Rewrites(reasoning=0.75))],
        shape=SHAPE,
    ),
    Scenario(
        name="edits",
        summary="16 turns; above 10k tokens, old tool results are cleared in the middle of the history",
        populations=[replace(_AGENTS, turns=Uniform(14, 18), rewrites=Rewrites(clears_above=10_000))],
        shape=SHAPE,
    ),
    Scenario(
        name="compaction",
        summary="20 turns; above 12k tokens, a summary of 1k tokens replaces the history",
        populations=[replace(_AGENTS, turns=Uniform(18, 22), rewrites=_COMPACTION)],
        shape=SHAPE,
    ),
)

UNRECOGNISED: tuple[Scenario, ...] = (
    Scenario(
        name="no-key",
        summary="as base with 64 agents, no request names its session",
        populations=[_NO_KEY],
        shape=SHAPE,
    ),
    Scenario(
        name="no-key-for-half",
        summary="as no-key, but half of the agents name their sessions",
        populations=[replace(_NO_KEY, agents=32), replace(_AGENTS, agents=32)],
        shape=SHAPE,
    ),
    Scenario(
        name="no-key-compaction",
        summary="as compaction, no request names its session",
        populations=[replace(_NO_KEY, turns=Uniform(18, 22), rewrites=_COMPACTION)],
        shape=SHAPE,
    ),
    Scenario(
        name="no-key-roll-outs",
        summary="8 tasks, 8 roll-outs of each, no request names its session",
        populations=[RollOuts(groups=8, samples=8, agent=replace(_SHORT_ANSWERS, has_name=False))],
        shape=SHAPE,
    ),
)

ENGINES: tuple[Scenario, ...] = (
    Scenario(
        name="hybrid",
        summary="as base with 64 agents; the engine's blocks hold 30 times the tokens that its metrics say",
        populations=[_AGENTS],
        shape=SHAPE,
        reported_tokens=5_000,
    ),
    Scenario(
        name="host-tier-small",
        summary="as base with 64 agents; host memory holds as many tokens as the GPU, and loads 20k a second",
        populations=[_AGENTS],
        shape=replace(SHAPE, host_tokens=150_000, cost=CostModel(load_tokens_s=20_000.0)),
    ),
)

PACES: tuple[Scenario, ...] = (
    Scenario(
        name="human-paced",
        summary="64 coding agents to 16k tokens, thinking times of real people: 10 s (median), 5 % above 471 s",
        populations=[replace(_AGENTS, gap_s=HUMAN)],
        shape=SHAPE,
    ),
    Scenario(
        name="human-paced-crowd",
        summary="as human-paced, 6k tokens of shared prompt, a new agent every 4 s",
        populations=[replace(_AGENTS, agents=96, shared_tokens=6_000, gap_s=HUMAN, arrivals=Poisson(per_s=0.25))],
        shape=SHAPE,
    ),
    Scenario(
        name="training-paced",
        summary="as base with 64 agents, tools of a training run: 86 % below 1 s, 5 % above 10 s",
        populations=[replace(_AGENTS, gap_s=TRAINING)],
        shape=SHAPE,
    ),
    Scenario(
        name="training-paced-waves",
        summary="as training-paced, 24 agents every 45 s",
        populations=[replace(_AGENTS, agents=96, gap_s=TRAINING, arrivals=Waves(size=24, every_s=45.0))],
        shape=SHAPE,
    ),
)

_PEOPLE = Population(
    agents=24,
    turns=Uniform(4, 8),
    growth_tokens=Uniform(200, 800),
    gap_s=HUMAN,
    arrivals=Poisson(per_s=0.1),
    tenant="people",
    weight=3.0,
    priority=1,
)

TENANTS: tuple[Scenario, ...] = (
    Scenario(
        name="people-and-batch",
        summary="a tenant with 64 agents of a batch job, and people with three times its weight and a higher priority",
        populations=[replace(_AGENTS, gap_s=TRAINING, tenant="batch"), _PEOPLE],
        shape=SHAPE,
    ),
    Scenario(
        name="three-tenants",
        summary="tenants with families, roll-outs, and people without a key who come a minute later",
        populations=[
            Population(agents=16, sub_agents=SubAgents(count=3), tenant="families"),
            RollOuts(groups=4, samples=8, agent=replace(_SHORT_ANSWERS, tenant="roll-outs")),
            replace(_PEOPLE, has_name=False, priority=0, weight=1.0, arrivals=AtOnce(at_s=60.0)),
        ],
        shape=SHAPE,
    ),
)
