"""Loads in which agents share large prompts, start sub-agents, or are as many clients send them."""

from dataclasses import replace

from concur_proxy.lab.simulation.plan import Kinship
from concur_proxy.lab.simulation.scenario import Population, Scenario, SubAgents, Uniform

_LONG = Population(
    agents=96,
    turns=Uniform(14, 18),
    shared_tokens=15_000,
    growth_tokens=Uniform(500, 1200),
    answer_tokens=Uniform(200, 500),
)

SHARED: tuple[Scenario, ...] = (
    Scenario(
        name="shared-15k",
        summary="96 agents, 15k tokens shared by all, to 35k tokens",
        populations=[_LONG],
    ),
    Scenario(
        name="shared-1k",
        summary="as shared-15k, with 1k tokens shared",
        populations=[replace(_LONG, shared_tokens=1_000)],
    ),
    Scenario(
        name="shared-20k",
        summary="128 agents, 20k tokens shared by all, to 26k tokens",
        populations=[Population(agents=128, shared_tokens=20_000, growth_tokens=Uniform(100, 400))],
    ),
    Scenario(
        name="shared-groups-6k",
        summary="16 groups of 8 roll-outs, 6k tokens shared in a group, to 18k tokens",
        populations=[
            Population(
                agents=128,
                groups=16,
                shared_tokens=6_000,
                growth_tokens=Uniform(200, 700),
                answer_tokens=Uniform(300, 600),
            )
        ],
    ),
    Scenario(
        name="shared-groups-10k",
        summary="8 groups of 16 roll-outs, 10k tokens shared in a group, to 20k tokens",
        populations=[
            Population(
                agents=128,
                groups=8,
                shared_tokens=10_000,
                growth_tokens=Uniform(100, 400),
                answer_tokens=Uniform(300, 600),
            )
        ],
    ),
)
"""300,000 tokens of cache each. What all agents share is computed once, and every agent uses it."""

FLEET = Scenario(
    name="fleet",
    summary="80 agents, 10 turns to 15k tokens",
    populations=[Population(agents=80, turns=Uniform(10, 10), answer_tokens=Uniform(200, 500))],
)
"""Measured with and without session headers."""

FAMILIES: tuple[Scenario, ...] = (
    Scenario(
        name="families",
        summary="48 agents, each starts three sub-agents at a time and waits; one key a family",
        populations=[Population(agents=48, sub_agents=SubAgents(count=3))],
    ),
    Scenario(
        name="families-own-keys",
        summary="as families, but each sub-agent has a key of its own and names its parent's",
        populations=[Population(agents=48, sub_agents=SubAgents(count=3, kinship=Kinship.PARENT_KEY))],
    ),
    Scenario(
        name="families-deep",
        summary="24 agents with large contexts, sub-agents that start sub-agents; one key a family",
        populations=[
            Population(
                agents=24,
                growth_tokens=Uniform(1500, 4200),
                sub_agents=SubAgents(count=2, turns=Uniform(3, 6), sub_agents=SubAgents(count=2, every=2)),
            )
        ],
    ),
)
