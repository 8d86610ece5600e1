"""Finds the conversations in a session's requests, from times and sizes alone.

A session can have several at a time, if its agent runs sub-agents with the same key, and one after the other, if the
history is compacted. A request continues the longest conversation of its member that has ended and whose last prompt it
contains.
"""

import math
from dataclasses import dataclass

from concur_proxy.admission.accounts import PART_OF_BLOCK_TOKENS
from concur_proxy.lab.recorded.request import RecordedRequest

MOST_LANES = 32
"""Conversations of a session that are known. Beyond that, the one that was used longest ago is forgotten."""
ROUNDING_S = 0.01


@dataclass(slots=True, eq=False)
class Lane:
    """One conversation: its prompts contain one another."""

    number: int
    member: str
    prompt_tokens: int = 0
    """The last prompt."""
    context_tokens: int = 0
    """The last prompt and its answer."""
    ended_at: float = -math.inf

    def promised(self, request: RecordedRequest) -> int:
        """Tokens of this request's prompt that an engine has computed before for this conversation.

        A client may leave parts of an answer out of the history; then the engine's count shows how much was sent.
        """
        promised, cached = min(self.context_tokens, request.prompt_tokens), request.cached_tokens
        sent_before = min(promised, self.prompt_tokens)
        if cached is not None and cached >= sent_before - PART_OF_BLOCK_TOKENS:
            return min(promised, cached)
        return promised

    def extend(self, request: RecordedRequest) -> None:
        """The conversation continues with this request and its answer."""
        self.prompt_tokens = request.prompt_tokens
        self.context_tokens = request.prompt_tokens + request.completion_tokens
        self.ended_at = request.ended_at


class Lanes:
    """The conversations of one session."""

    __slots__ = ("_lanes", "_number")

    def __init__(self) -> None:
        self._lanes: list[Lane] = []
        self._number = 0

    def find(self, request: RecordedRequest) -> Lane:
        """The conversation that this request continues, as it was before, or else a new one. Extend it before the next
        call.
        """
        fitting = (
            lane
            for lane in self._lanes
            if lane.member == request.member
            and lane.ended_at <= request.at + ROUNDING_S
            and lane.prompt_tokens <= request.prompt_tokens
        )
        lane = max(fitting, key=lambda lane: lane.prompt_tokens, default=None)
        if lane is None:
            lane = Lane(self._number, request.member)
            self._number += 1
            if len(self._lanes) == MOST_LANES:
                self._lanes.remove(min(self._lanes, key=lambda lane: lane.ended_at))
            self._lanes.append(lane)
        return lane
