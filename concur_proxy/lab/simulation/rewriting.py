"""Clients that do not send the whole history again: they drop reasoning, clear old tool results, or compact it.

What such a client changes is no longer in the engine's cache, and neither is what follows it. Sizes are rounded to
whole blocks, so that the unchanged part of a prompt ends where a block ends.
"""

import dataclasses
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

from concur_proxy.lab.simulation.content import Content
from concur_proxy.lab.simulation.plan import AgentPlan, Turn, first_own_block, shared_blocks

BLOCK_TOKENS = 16

Ids = list[int]
"""One id for each block of content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewrites:
    """How a client changes the history. Several of these habits can go together."""

    reasoning: float = 0.0
    """The part of each answer, 0 to 1, that is reasoning. It comes first in the answer, and is not sent again."""
    clears_above: int | None = None
    """If a prompt would have more tokens than this, old tool results are replaced by a note of one block."""
    kept_results: int = 3
    """The newest tool results, which are not cleared."""
    compacts_above: int | None = None
    """If a prompt would have more tokens than this, the client asks for a summary, which replaces the history."""
    summary_tokens: int = 1000

    def apply(self, plan: AgentPlan) -> AgentPlan:
        """The plan of an agent that does the same work, but changes its history. Its system prompt stays."""
        writer = _Writer(plan, self)
        turns = [each for turn in plan.turns for each in writer.turns(turn)]
        return dataclasses.replace(plan, turns=tuple(turns))


class _Writer:
    """One agent's history."""

    def __init__(self, plan: AgentPlan, rewrites: Rewrites) -> None:
        self._rewrites = rewrites
        self._shared: Ids = list(shared_blocks(plan, plan.shared_tokens // BLOCK_TOKENS))
        self._history: list[Ids] = []
        self._results: list[int] = []
        """Places in the history of the tool results that were not cleared."""
        self._fresh = count(first_own_block(plan))

    def turns(self, turn: Turn) -> Iterator[Turn]:
        """The turn as this client sends it, after a request for a summary if it is time for one."""
        if turn.side_requests:
            raise ValueError("an agent that changes its history cannot have side requests")
        rewrites = self._rewrites
        new = self._new(turn.new_tokens)
        if _is_more(self._tokens + _tokens(new), rewrites.clears_above):
            self._clear()
        if self._history and _is_more(self._tokens + _tokens(new), rewrites.compacts_above):
            yield self._summary()
        self._results.append(len(self._history))
        self._history.append(new)
        answer = self._new(turn.answer_tokens)
        dropped = round(rewrites.reasoning * len(answer))
        yield self._sent(turn, answer, new_tokens=_tokens(new), dropped_tokens=dropped * BLOCK_TOKENS)
        self._history.append(answer[dropped:])

    def _summary(self) -> Turn:
        request = self._new(BLOCK_TOKENS)
        self._history.append(request)
        summary = self._new(self._rewrites.summary_tokens)
        tokens = _tokens(request), _tokens(summary)
        sent = self._sent(Turn(new_tokens=tokens[0], answer_tokens=tokens[1]), summary, new_tokens=tokens[0])
        self._history, self._results = [summary], []
        return sent

    def _sent(self, turn: Turn, answer: Ids, *, new_tokens: int, dropped_tokens: int = 0) -> Turn:
        prompt = self._shared + [each for piece in self._history for each in piece]
        content = Content(
            prompt_tokens=_tokens(prompt),
            block_tokens=BLOCK_TOKENS,
            ids=array("q", prompt + answer),
            head_tokens=_tokens(self._shared),
        )
        return dataclasses.replace(
            turn,
            new_tokens=new_tokens,
            answer_tokens=_tokens(answer),
            dropped_tokens=dropped_tokens,
            content=content,
        )

    def _clear(self) -> None:
        old = len(self._results) - self._rewrites.kept_results
        for place in self._results[: max(0, old)]:
            self._history[place] = self._new(BLOCK_TOKENS)
        del self._results[: max(0, old)]

    @property
    def _tokens(self) -> int:
        return _tokens(self._shared) + sum(map(_tokens, self._history))

    def _new(self, tokens: int) -> Ids:
        return [next(self._fresh) for _ in range(max(1, round(tokens / BLOCK_TOKENS)))]


def _tokens(blocks: Ids) -> int:
    return len(blocks) * BLOCK_TOKENS


def _is_more(tokens: int, limit: int | None) -> bool:
    return limit is not None and tokens > limit
