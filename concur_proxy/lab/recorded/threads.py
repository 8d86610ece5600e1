"""Tells the agents apart whose requests a recording has in one list, by what their prompts consist of."""

from collections.abc import Sequence
from dataclasses import dataclass

ROUNDING_S = 2.0
"""Times are rounded: an answer that seems to end so little after the next request has ended before it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """A request of the list."""

    at: float
    ended_at: float
    ids: Sequence[int]
    """Its whole blocks."""


@dataclass(slots=True, eq=False)
class _Thread:
    number: int
    last: Prompt


def threads_of(prompts: Sequence[Prompt]) -> list[int]:
    """The number of the thread of each prompt, which are in the order of their arrival.

    A prompt continues the longest thread that has ended and that it extends. Otherwise it is an edit or a compaction of
    the thread with which it has most in common, or, if a later prompt extends that thread or its answer is still
    running, the start of a new thread.
    """
    threads: list[_Thread] = []
    numbers: list[int] = []
    for place, prompt in enumerate(prompts):
        rested = [thread for thread in threads if thread.last.ended_at <= prompt.at + ROUNDING_S]
        extended = (thread for thread in rested if _extends(prompt, thread.last))
        found = max(extended, key=lambda thread: len(thread.last.ids), default=None)
        if found is None and rested:
            common = [_common(prompt.ids, thread.last.ids) for thread in rested]
            near = rested[common.index(max(common))]
            goes_on = any(_extends(later, near.last) for later in prompts[place + 1 :])
            found = None if goes_on else near
        if found is None:
            found = _Thread(len(threads), prompt)
            threads.append(found)
        found.last = prompt
        numbers.append(found.number)
    return numbers


def _extends(prompt: Prompt, before: Prompt) -> bool:
    return prompt.ids[: len(before.ids)] == before.ids


def _common(one: Sequence[int], other: Sequence[int]) -> int:
    pairs = enumerate(zip(one, other, strict=False))
    return next((number for number, (first, second) in pairs if first != second), min(len(one), len(other)))
