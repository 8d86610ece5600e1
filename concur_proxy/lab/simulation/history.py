"""What an agent's next request begins with, and which part of it the engine has computed before."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from concur_proxy.lab.simulation.content import Content
from concur_proxy.lab.simulation.plan import AgentPlan, Turn
from concur_proxy.lab.simulation.prompt import Prompt, RecordedPrompt
from concur_proxy.recognition.chain import Chain


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompts:
    """The prompts of one turn, all of the same length. Sizes are in tokens."""

    prompt_tokens: int
    history_tokens: int
    """The part that has been computed before for this agent."""
    chains: Sequence[Chain]
    """The main request's, then those of the side requests."""


class GrowingHistory:
    """Every prompt is the whole history and what is new."""

    def __init__(self, plan: AgentPlan) -> None:
        self._history_tokens = 0
        self._prompt_tokens = plan.shared_tokens
        self._prompt = Prompt(plan)

    def extend(self, turn: Turn) -> Prompts:
        """The prompts of the next turn."""
        self._prompt_tokens += turn.new_tokens
        chains = [self._prompt.extended(turn.new_tokens, side=side) for side in range(1 + turn.side_requests)]
        self._prompt.add(turn.new_tokens)
        return Prompts(prompt_tokens=self._prompt_tokens, history_tokens=self._history_tokens, chains=chains)

    def answered(self, turn: Turn) -> None:
        """The turn's answer is part of the history now."""
        kept_tokens = turn.answer_tokens - turn.dropped_tokens
        self._prompt_tokens += kept_tokens
        self._history_tokens = self._prompt_tokens
        self._prompt.add(kept_tokens)


class RecordedHistory:
    """Every prompt is as it was recorded: it can change or leave out what the prompt before it had."""

    def __init__(self) -> None:
        self._before: Content | None = None
        self._ends: list[int] = []
        """The ends of the prompt's segments, in tokens."""
        self._computed_tokens = 0
        self._prompt = RecordedPrompt()

    def extend(self, turn: Turn) -> Prompts:
        """The prompt of the next turn."""
        content = turn.content
        assert content is not None  # noqa: S101 - the plan is of a recording with content
        common = 0 if self._before is None else content.common_tokens(self._before)
        common = min(common, content.prompt_tokens, self._computed_tokens)
        kept = bisect_right(self._ends, common)
        del self._ends[kept:]
        self._prompt.cut(kept)
        if not kept and 0 < content.head_tokens < content.prompt_tokens:
            self._add(content, content.head_tokens, is_head=True)
        if not self._ends or self._ends[-1] < content.prompt_tokens:
            self._add(content, content.prompt_tokens)
        self._before = content
        return Prompts(prompt_tokens=content.prompt_tokens, history_tokens=common, chains=[self._prompt.chain])

    def answered(self, turn: Turn) -> None:
        """The turn's answer may be part of the next prompt."""
        content = turn.content
        assert content is not None  # noqa: S101 - as above
        self._computed_tokens = content.prompt_tokens + turn.answer_tokens
        self._add(content, self._computed_tokens - turn.dropped_tokens)

    def _add(self, content: Content, end: int, *, is_head: bool = False) -> None:
        begin = self._ends[-1] if self._ends else 0
        if end > begin:
            self._prompt.add(content, begin, end, is_head=is_head)
            self._ends.append(end)
