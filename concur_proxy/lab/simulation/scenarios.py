"""The suite of scenarios, by name."""

from concur_proxy.lab.engine.cost import CostModel
from concur_proxy.lab.engine.engine import EngineShape
from concur_proxy.lab.simulation.arrivals import Poisson, Waves
from concur_proxy.lab.simulation.scenario import HeavyTailed, Population, Scenario, Uniform
from concur_proxy.lab.simulation.scenarios_agents import ENGINES, HISTORIES, PACES, ROLL_OUTS, TENANTS, UNRECOGNISED
from concur_proxy.lab.simulation.scenarios_paper import PAPER
from concur_proxy.lab.simulation.scenarios_shared import FAMILIES, FLEET, SHARED

AGENTS = 128

_ALL: tuple[Scenario, ...] = (
    Scenario(
        name="base",
        summary="12 turns to 16k tokens, tools 0.5 to 8 s",
        populations=[Population(agents=AGENTS)],
    ),
    Scenario(
        name="short-tools",
        summary="as base, tools 0.1 to 0.5 s",
        populations=[Population(agents=AGENTS, gap_s=Uniform(0.1, 0.5))],
    ),
    Scenario(
        name="large-growth",
        summary="as base, to 35k tokens",
        populations=[Population(agents=AGENTS, growth_tokens=Uniform(1500, 4200))],
    ),
    Scenario(
        name="decode-heavy",
        summary="answers of 400 to 1,200 tokens, otherwise little growth",
        populations=[Population(agents=AGENTS, growth_tokens=Uniform(200, 600), answer_tokens=Uniform(400, 1200))],
    ),
    Scenario(
        name="many-turns",
        summary="40 turns to 16k tokens, tools 0.3 to 30 s",
        populations=[
            Population(
                agents=AGENTS,
                turns=Uniform(36, 44),
                growth_tokens=Uniform(80, 320),
                gap_s=HeavyTailed(3.0, 1.0, 30.0),
            )
        ],
    ),
    Scenario(
        name="long-tools",
        summary="as base, tools 5 to 120 s",
        populations=[Population(agents=AGENTS, gap_s=Uniform(5, 120))],
    ),
    Scenario(
        name="very-long-tools",
        summary="as base, tools 20 to 400 s",
        populations=[Population(agents=AGENTS, gap_s=Uniform(20, 400))],
    ),
    Scenario(
        name="heavy-tailed-tools",
        summary="as base, tools of 2 s (median) and up to 300 s",
        populations=[Population(agents=AGENTS, gap_s=HeavyTailed(2.0, 1.5, 300.0))],
    ),
    Scenario(
        name="poisson",
        summary="as base, one agent arrives every 3 s, for 400 s",
        populations=[Population(agents=AGENTS, arrivals=Poisson(per_s=1 / 3))],
    ),
    Scenario(
        name="waves",
        summary="as base, 32 agents every 60 s",
        populations=[Population(agents=AGENTS, arrivals=Waves(size=32, every_s=60))],
    ),
    Scenario(
        name="sub-agents",
        summary="every third turn has three sub-agents",
        populations=[Population(agents=64, side_requests=3)],
    ),
    Scenario(
        name="chat-beside-agents",
        summary="64 agents, and one new short chat per second",
        populations=[
            Population(agents=64),
            Population(
                agents=300,
                turns=Uniform(1, 3),
                shared_tokens=200,
                first_tokens=Uniform(50, 400),
                growth_tokens=Uniform(20, 200),
                answer_tokens=Uniform(100, 400),
                gap_s=Uniform(5, 30),
                arrivals=Poisson(per_s=1.0),
            ),
        ],
    ),
    Scenario(
        name="host-tier",
        summary="as base, with a million tokens of KV cache in host memory",
        populations=[Population(agents=AGENTS)],
        shape=EngineShape(host_tokens=1_000_000),
    ),
    Scenario(
        name="few-agents",
        summary="8 agents, far below the knee",
        populations=[Population(agents=8)],
    ),
    Scenario(
        name="four-engines",
        summary="as base, 512 agents on four engines",
        populations=[Population(agents=4 * AGENTS)],
        engines=4,
    ),
)

_QWEN3_32B = EngineShape(
    # KV bytes a token: 2 (K, V) x 64 layers x 8 heads x 128 x 2 bytes = 262,144. Two H100 of 80 GB: 0.9 x 160 GB less
    # 65.6 GB of weights and some 5 GB of activations leave 73 GB.
    capacity_tokens=280_000,
    # 65.6 GFLOP a token at 40 % of 2 x 989 TFLOP/s
    cost=CostModel(step_s=0.016, prefill_tokens_s=12_000.0),
)
_DEEPSEEK_V3 = EngineShape(
    # KV bytes a token: 61 layers x (512 + 64) x 2 bytes = 70,272, held by each of eight H200 (141 GB) alike: 0.9 x 141
    # GB less 84 GB of fp8 weights and some 6 GB of activations leave 37 GB.
    capacity_tokens=525_000,
    # 74 GFLOP a token at 15 % of 8 x 1,979 TFLOP/s: expert parallelism moves tokens between GPUs
    cost=CostModel(step_s=0.030, prefill_tokens_s=32_000.0),
)

_LONG_AGENTS = Population(
    agents=256,
    turns=Uniform(9, 11),
    first_tokens=Uniform(2000, 4000),
    growth_tokens=Uniform(800, 2200),
    answer_tokens=Uniform(100, 300),
    gap_s=HeavyTailed(2.0, 1.0, 60.0),
)

_ALL += (
    Scenario(
        name="qwen3-32b",
        summary="256 agents, 10 turns to 20k tokens, Qwen3-32B on two H100",
        populations=[_LONG_AGENTS],
        shape=_QWEN3_32B,
    ),
    Scenario(
        name="deepseek-v3",
        summary="256 agents, 10 turns to 20k tokens, DeepSeek-V3 on eight H200",
        populations=[_LONG_AGENTS],
        shape=_DEEPSEEK_V3,
    ),
)

KINDS: dict[str, tuple[Scenario, ...]] = {
    "separate": (*_ALL, FLEET),
    "shared": SHARED,
    "families": FAMILIES,
    "roll-outs": ROLL_OUTS,
    "histories": HISTORIES,
    "no-key": UNRECOGNISED,
    "engines": ENGINES,
    "paces": PACES,
    "tenants": TENANTS,
    "paper": PAPER,
}
"""The scenarios by kind. Agents of the first kind share little, have no families, and send their whole histories."""

SCENARIOS = {scenario.name: scenario for scenarios in KINDS.values() for scenario in scenarios}
