"""Answers that the engine keeps, so that a later request can continue one by its id instead of repeating it."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from concur_proxy.lab.server.generation import History

MAX_STORED = 10_000
"""The oldest answer is dropped beyond this number."""


@dataclass(slots=True)
class StoredAnswers:
    """The conversation up to each kept answer, and the answer itself."""

    _histories: OrderedDict[str, History] = field(default_factory=OrderedDict)
    _answers: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    def keep(self, answer_id: str, history: History) -> None:
        """Keep the conversation up to an answer, which may still be in progress."""
        self._histories[answer_id] = history
        if len(self._histories) > MAX_STORED:
            dropped, _ = self._histories.popitem(last=False)
            self._answers.pop(dropped, None)

    def complete(self, answer_id: str, answer: Mapping[str, Any]) -> None:
        """Keep a complete answer, if its conversation is kept."""
        if answer_id in self._histories:
            self._answers[answer_id] = answer

    def history(self, answer_id: object) -> History | None:
        """A copy of the conversation up to this answer; None if it is not known."""
        found = self._histories.get(answer_id) if isinstance(answer_id, str) else None
        return None if found is None else found.copy()

    def answer(self, answer_id: str) -> Mapping[str, Any] | None:
        """A complete answer; None if it is not known."""
        return self._answers.get(answer_id)
