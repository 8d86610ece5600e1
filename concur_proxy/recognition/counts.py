"""What an engine's token counts tell about the nodes of a prompt."""

from collections.abc import Collection, Sequence

from concur_proxy.recognition.node import Node
from concur_proxy.recognition.unions import Unions

SMOOTHING = 0.25
"""Weight of the newest answer in the size of a shared node."""


def learn_count(nodes: Sequence[Node], prompt_tokens: int, unions: Unions) -> bool:
    """The engine counted `prompt_tokens` in a prompt of these nodes. Returns False if nothing is known of their sizes.

    What several conversations share is learnt from all of them. The rest of the count is this conversation's own.
    """
    if len(nodes) == 1 and nodes[0].below == 1 and nodes[0].tokens > 0:
        unions.resize(nodes[0], float(prompt_tokens))
        nodes[0].note_count()
        return True
    whole = _expected(nodes)
    if whole <= 0:
        return False
    scale, shared, estimated = prompt_tokens / whole, 0.0, 0.0
    own: list[Node] = []
    for node in nodes:
        if node.below > 1:
            change = node.tokens * (scale - 1) * (SMOOTHING if node.counted_tokens else 1.0)
            unions.resize(node, node.tokens + change)
            node.note_count()
            shared += node.tokens
        elif node.below == 1:
            own.append(node)
            estimated += node.tokens
    rest = max(0.0, prompt_tokens - shared)
    for node in own:
        unions.resize(node, rest * node.tokens / estimated if estimated else 0.0)
        node.note_count()
    return True


def _expected(nodes: Collection[Node]) -> float:
    """Tokens of these nodes, if what was not counted yet has as many tokens for its size as what was."""
    tokens, size, rest, all_tokens = 0.0, 0, 0, 0.0
    for node in nodes:
        all_tokens += node.tokens
        if node.counted_tokens:
            tokens += node.tokens
            size += node.weight
        else:
            rest += node.weight
    return tokens + rest * tokens / size if size else all_tokens
