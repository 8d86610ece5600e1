"""The setting of the CONCUR paper (arXiv 2601.22705), as far as its public text gives it.

Given: batches of ReAct agents that start together; SGLang on H100 of 80 GB; Qwen3-32B with 256 agents on 8 and on 2
GPUs, and DeepSeek-V3 with 40 agents on 16; the KV cache of an agent after ten steps, about 1.5 GB and 17 GB (figure 1);
6.67 GB for 4,096 tokens of DeepSeek-V3, of which eight requests at once are computed again in about 0.6 s (figure 1c).

Not given, and assumed here: the sizes of answers and tool results, the length of the tool calls, the share of the
memory that is KV cache, and the speed of Qwen3-32B. The number of steps is given only for the figures: ten.
"""

from concur_proxy.lab.engine.cost import CostModel
from concur_proxy.lab.engine.engine import EngineShape
from concur_proxy.lab.simulation.scenario import HeavyTailed, Population, Scenario, Uniform

QWEN_CONTEXT = 5_700
"""1.5 GB of 262,144 bytes a token: 2 (K, V) x 64 layers x 8 heads x 128 x 2 bytes."""
DEEPSEEK_CONTEXT = 10_400
"""17 GB of 1.63 MB a token, which is 6.67 GB by 4,096."""

_QWEN_SHAPES = {
    # 0.88 of the memory less 65.6 GB of weights and 5 GB of activations a GPU leave 65 GB
    2: EngineShape(capacity_tokens=250_000, cost=CostModel(step_s=0.016, prefill_tokens_s=12_000.0)),
    # as above, 457 GB. 65.6 GFLOP a token at 40 % of 989 TFLOP/s a GPU
    8: EngineShape(capacity_tokens=1_740_000, cost=CostModel(step_s=0.010, prefill_tokens_s=48_000.0)),
}
_DEEPSEEK_SHAPE = EngineShape(
    # 0.88 of 1,280 GB less 671 GB of fp8 weights and 5 GB of activations a GPU leave 375 GB of 1.63 MB a token
    capacity_tokens=230_000,
    # eight times 4,096 tokens in 0.6 s
    cost=CostModel(step_s=0.030, prefill_tokens_s=55_000.0),
)


def _batch(agents: int, *, context: int, steps: int) -> Population:
    """Agents whose contexts grow evenly to `context` tokens in so many steps. Nearly half of it is generated."""
    each = context / (steps + 1)
    return Population(
        agents=agents,
        turns=Uniform(steps, steps),
        shared_tokens=round(each / 2),
        first_tokens=Uniform(each / 2, each),
        growth_tokens=Uniform(0.3 * each, 0.9 * each),
        answer_tokens=Uniform(0.2 * each, 0.6 * each),
        gap_s=HeavyTailed(2.0, 1.0, 60.0),
    )


def qwen3(gpus: int, *, context: int = QWEN_CONTEXT, steps: int = 10) -> Scenario:
    """256 agents of Qwen3-32B on 2 or 8 H100."""
    return Scenario(
        name=f"paper-qwen3-{gpus}",
        summary=f"256 agents, {steps} steps to {context / 1000:.1f}k tokens, Qwen3-32B on {gpus} H100, as in CONCUR",
        populations=[_batch(256, context=context, steps=steps)],
        shape=_QWEN_SHAPES[gpus],
    )


def deepseek(*, context: int = DEEPSEEK_CONTEXT, steps: int = 10) -> Scenario:
    """40 agents of DeepSeek-V3 on 16 H100."""
    return Scenario(
        name="paper-deepseek-16",
        summary=f"40 agents, {steps} steps to {context / 1000:.1f}k tokens, DeepSeek-V3 on 16 H100, as in CONCUR",
        populations=[_batch(40, context=context, steps=steps)],
        shape=_DEEPSEEK_SHAPE,
    )


PAPER: tuple[Scenario, ...] = (qwen3(8), qwen3(2), deepseek())
