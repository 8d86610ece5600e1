"""The conversations of a recorded session, and which of them started which.

A conversation that begins while no other one of its session is at work was started by the answer before it: a
sub-agent, or the same agent with a compacted history.
"""

import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from concur_proxy.lab.recorded.lanes import Lanes
from concur_proxy.lab.recorded.request import RecordedRequest

MOST_NESTED = 40
"""Conversations inside each other. Deeper ones begin when they were recorded."""


@dataclass(slots=True, eq=False)
class Conversation:
    """Requests of which each continues the one before."""

    name: str
    number: int
    requests: list[RecordedRequest] = field(default_factory=list)
    history: list[int] = field(default_factory=list)
    """For each request: the tokens of its prompt that the conversation had before."""
    children: dict[int, list["Conversation"]] = field(default_factory=dict)
    """Conversations that an answer has started, by the number of its turn."""
    parent: "Conversation | None" = None
    depth: int = 0
    goes_on_at: float = math.inf
    """When a conversation around it goes on, so that it must have ended."""
    rests_at: float = 0.0
    """When it and all that it started have ended."""


def conversations_of(
    session: str, answers: Sequence[RecordedRequest], numbers: Iterator[int]
) -> Sequence[Conversation]:
    """The session's conversations in the order in which they began."""
    if answers[0].content is not None:
        return _members(session, answers, numbers)
    lanes = Lanes()
    found: dict[int, Conversation] = {}
    for request in answers:
        lane = lanes.find(request)
        conversation = found.get(lane.number)
        if conversation is None:
            number = next(numbers)
            conversation = found[lane.number] = Conversation(name=f"{number}-{session}", number=number)
        conversation.history.append(lane.promised(request))
        conversation.requests.append(request)
        lane.extend(request)
    return list(found.values())


def _members(session: str, answers: Sequence[RecordedRequest], numbers: Iterator[int]) -> Sequence[Conversation]:
    """The conversations of a recording that names them, and whose content shows what they have in common."""
    found: dict[str, Conversation] = {}
    for request in answers:
        if request.member not in found:
            number = next(numbers)
            found[request.member] = Conversation(name=f"{number}-{session}", number=number)
        found[request.member].requests.append(request)
    for conversation in found.values():
        sizes = (one.prompt_tokens + one.completion_tokens for one in conversation.requests[:-1])
        conversation.history = [0, *sizes]
    return list(found.values())


def nest(conversations: Sequence[Conversation]) -> Sequence[Conversation]:
    """Put each conversation into the turn that started it. Returns those that no turn has started."""
    roots: list[Conversation] = []
    for number, conversation in enumerate(conversations):
        conversation.rests_at = conversation.requests[-1].ended_at
        found = _starter(conversation, conversations[max(0, number - MOST_NESTED) : number])
        if found is None:
            roots.append(conversation)
            continue
        above, turn = found
        conversation.parent, conversation.depth = above, above.depth + 1
        conversation.goes_on_at = min(above.goes_on_at, _next_at(above, turn))
        above.children.setdefault(turn, []).append(conversation)
        outer: Conversation | None = above
        while outer is not None:
            outer.rests_at = max(outer.rests_at, conversation.rests_at)
            outer = outer.parent
    return roots


def _next_at(conversation: Conversation, turn: int) -> float:
    """When the turn after this one began."""
    following = turn + 1
    return conversation.requests[following].at if following < len(conversation.requests) else math.inf


def _starter(conversation: Conversation, begun: Sequence[Conversation]) -> tuple[Conversation, int] | None:
    """The conversation and the turn whose answer was the last one before this conversation, if that conversation did
    not go on until this one had ended.
    """
    began_at, best, best_at = conversation.requests[0].at, None, -math.inf
    for other in begun:
        turn = bisect_right(other.requests, began_at, key=lambda request: request.ended_at) - 1
        if turn >= 0 and other.requests[turn].ended_at > best_at:
            best, best_at = (other, turn), other.requests[turn].ended_at
    if best is None or best[0].depth == MOST_NESTED:
        return None
    ends_in_time = conversation.rests_at <= min(best[0].goes_on_at, _next_at(*best))
    return best if ends_in_time else None
