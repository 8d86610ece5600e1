"""What stands in a session's blocks, as keys that are equal where the content is."""

from concur_proxy.lab.engine.prefix_cache import BlockKeys
from concur_proxy.lab.simulation.plan import AgentPlan

_AGENT_BLOCKS = 1 << 24
"""More blocks than a session has: sessions' keys do not meet."""


def block_keys(plan: AgentPlan, tokens: int, block_tokens: int, *, side: int = 0, side_from: int = 0) -> BlockKeys:
    """The keys of the whole blocks of the session's first `tokens` tokens.

    Blocks that lie in the shared prompt as a whole are those of all who share it. For the `side`-th side request (from
    1) what follows the first `side_from` tokens is its own.
    """
    blocks = tokens // block_tokens
    shared = min(plan.shared_tokens // block_tokens, blocks)
    common = -1 - plan.shared_id * _AGENT_BLOCKS
    own = (plan.number << 32) + _AGENT_BLOCKS
    keys = (*range(common, common - shared, -1), *range(own + shared, own + blocks))
    if side:
        kept = min(max(side_from // block_tokens, shared), blocks)
        other = own + side * _AGENT_BLOCKS
        keys = (*keys[:kept], *range(other + kept, other + blocks))
    return keys
