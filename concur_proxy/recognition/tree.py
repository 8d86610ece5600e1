"""The conversation tree: what the prompts of all known conversations have in common.

A prompt is a chain of segments (see `Chain`). The tree keeps the newest chain of each conversation. Chains that begin
alike share nodes; a run of segments at which nobody branches off is one node:

    root ─► tools, system prompt ─┬─► first task ─► answer ─► result     conversation 1
                                  └─► other task ─► answer               conversation 2

The tree answers three questions. Which conversations end inside a new prompt, so that it continues one of them? How
many tokens do several conversations share, so that they are counted once (see `Unions`)? How much of a prompt should
the engine's cache hold? It contains hashes and sizes, and no content. Its size is that of the newest chains.

No operation looks at all conversations, at all that end at one node, or at all children of a node. What an operation
costs depends on the number of nodes and segments of one chain.
"""

from collections.abc import Mapping

from concur_proxy.recognition.chain import HASH_BYTES, SIZE_BYTES, Chain
from concur_proxy.recognition.counts import learn_count
from concur_proxy.recognition.member import Member
from concur_proxy.recognition.node import Estimate, Match, Node, upwards
from concur_proxy.recognition.tree_view import TreeView

ITEM_BYTES = 8
"""Memory of a media item of a node."""


class ConversationTree(TreeView):
    """The newest chains of all known conversations, and what they share. Its questions are in `TreeView`."""

    def __init__(self) -> None:
        super().__init__()
        self._computed: dict[tuple[str, int], Mapping[str, int]] = {}
        """The value of `Node.computed` for nodes that one engine has computed. Most nodes have the same."""

    def add(self, member: Member) -> None:
        """Count the conversation, also before it has a prompt that can be read."""
        if not member.is_known:
            member.is_known = True
            self.conversations += 1

    def put(self, member: Member, chain: Chain, estimate: Estimate, match: Match | None = None) -> None:
        """Make `chain` the newest prompt of a conversation. Unknown segments get estimated sizes. `match` is the
        result of `match(chain)`, if the caller has it.
        """
        self.add(member)
        match, length = match or self.match(chain), len(chain)
        self._last_chain = None
        if member.leaf is match.node and match.is_whole and _is_alone(member):
            self._extend(match.node, chain, match.length, estimate)
        else:
            self._move(member, chain, match, estimate)
        member.length, member.head, member.inputs = length, chain.head, chain.inputs[-HASH_BYTES:]
        if not member.first_segments:
            member.first_segments = member.length

    def drop(self, member: Member) -> None:
        """Forget a conversation."""
        self._last_chain = None
        self.conversations -= member.is_known
        member.is_known = False
        self.unions.uncharge(member, member.groups)
        leaf, member.leaf = member.leaf, None
        if leaf is not None:
            leaf.members.remove(member)
            self._leave(leaf)

    def renew(self, member: Member, estimate: Estimate) -> float:
        """Estimate again what no engine has counted of a conversation's prompt. Returns the tokens of the prompt."""
        for node in upwards(member.leaf):
            text, media = node.uncounted
            if text or media:
                self.unions.resize(node, node.counted_tokens + estimate(text, media))
        return self.tokens_to(member.leaf)

    def count(self, member: Member, prompt_tokens: int, *, engine: str, cache: int) -> None:
        """Learn from an answer: the engine counted `prompt_tokens` in this conversation's newest prompt, which are
        now in this generation of its cache.
        """
        nodes = list(upwards(member.leaf))
        if learn_count(nodes, prompt_tokens, self.unions):
            for node in nodes:
                if node.computed.get(engine) != cache:
                    node.computed = self._computed_too(node, engine, cache)

    def _computed_too(self, node: Node, engine: str, cache: int) -> Mapping[str, int]:
        """The value of `computed` for a node that this engine has computed too."""
        if not node.computed.keys() <= {engine}:
            return {**node.computed, engine: cache}
        return self._computed.setdefault((engine, cache), {engine: cache})

    def _move(self, member: Member, chain: Chain, match: Match, estimate: Estimate) -> None:
        """Put the conversation at the end of `chain`."""
        groups, old = member.groups, member.leaf
        self.unions.uncharge(member, groups)
        node = match.node if match.is_whole else self._split(match.node, match.inside)
        if match.length < len(chain):
            node = self._grow(node, chain, match.length, estimate)
        if old is not None:
            old.members.remove(member)
        member.leaf = node
        node.members.add(member)
        for part in upwards(node):
            part.below += 1
        if old is not None:
            self._leave(old)
        self.unions.charge(member, groups)

    def _extend(self, node: Node, chain: Chain, start: int, estimate: Estimate) -> None:
        added = len(chain) - start
        if added:
            before = len(node.media)
            node.extend(chain, start, estimate)
            self._run_bytes += (HASH_BYTES + SIZE_BYTES) * added + ITEM_BYTES * (len(node.media) - before)

    def _grow(self, node: Node, chain: Chain, start: int, estimate: Estimate) -> Node:
        child = Node(node, chain, start, estimate(*chain.text_from(start)))
        node.children.add(child)
        self._nodes[child.start] = child
        self._run_bytes += _run_bytes(child)
        return child

    def _split(self, node: Node, segments: int) -> Node:
        first = node.split(segments)
        self._nodes[first.start] = first
        self._nodes[node.start] = node
        return first

    def _leave(self, leaf: Node) -> None:
        """A conversation no longer ends in `leaf`. Forget the nodes that nobody needs, and join those of one run."""
        for node in list(upwards(leaf)):
            node.below -= 1
            if not node.below and node.parent is not None:
                node.parent.children.remove(node)
                del self._nodes[node.start]
                self._run_bytes -= _run_bytes(node)
            elif node.is_needless and (child := node.children.only) is not None:
                del self._nodes[child.start]
                child.absorb(node)
                self._nodes[child.start] = child


def _run_bytes(node: Node) -> int:
    return len(node.hashes) + len(node.sizes) + ITEM_BYTES * len(node.media)


def _is_alone(member: Member) -> bool:
    """Whether nobody else uses the end of the conversation's prompt, so that it can grow in place."""
    leaf = member.leaf
    return leaf is not None and leaf.parent is not None and leaf.below == 1
