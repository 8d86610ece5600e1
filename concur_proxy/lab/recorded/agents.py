"""Makes agents' plans of recorded requests.

Each conversation becomes an agent. The time from the end of an answer to the next request is a tool call. A
conversation that another one started becomes a child of that turn, so that it is later if the turn is later.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count

from concur_proxy.lab.recorded.busy_clock import BusyClock
from concur_proxy.lab.recorded.conversations import Conversation, conversations_of, nest
from concur_proxy.lab.recorded.request import RecordedRequest
from concur_proxy.lab.recorded.shared_prompts import SharedPrompts
from concur_proxy.lab.simulation.content import Content
from concur_proxy.lab.simulation.plan import AgentPlan, Turn

UNKNOWN_BLOCKS = 1 << 62
"""Blocks of content that was not recorded have ids from here on. Recorded ids are smaller."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedAgents:
    """The plans, and which requests they are made of."""

    plans: Sequence[AgentPlan]
    requests: dict[str, Sequence[RecordedRequest]]
    """The requests of each agent's turns, by the name of its plan."""


def agents_of(requests: Iterable[RecordedRequest], *, pace: float = 1.0) -> RecordedAgents:
    """The agents that send these requests. `pace` is a factor on all times in which a session waits for its tools or
    its user, and on the times between the starts of sessions.
    """
    ordered = sorted(requests, key=lambda request: request.at)
    times = _Times(clock=BusyClock(ordered), pace=pace)
    sessions: dict[str, list[RecordedRequest]] = {}
    for request in ordered:
        sessions.setdefault(request.session, []).append(request)
    shared = SharedPrompts(sessions.values())
    plans: list[AgentPlan] = []
    answered: dict[str, Sequence[RecordedRequest]] = {}
    numbers = iter(range(len(ordered)))
    for session, answers in sessions.items():
        conversations = conversations_of(session, answers, numbers)
        answered.update((conversation.name, conversation.requests) for conversation in conversations)
        roots = nest(conversations)
        family = conversations[0].name
        plans += [_plan(root, family, times, shared) for root in roots]
    return RecordedAgents(plans=sorted(plans, key=lambda plan: plan.start_s), requests=answered)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Times:
    """How long it takes from one event to another one in the replay."""

    clock: BusyClock
    pace: float
    fresh: Iterator[int] = field(default_factory=lambda: count(UNKNOWN_BLOCKS))
    """Ids of blocks that no recording has."""

    def between(self, begin: float, end: float) -> float:
        """The seconds between two recorded moments, 0 or more."""
        return self.pace * max(0.0, self.clock.read(end) - self.clock.read(begin))


def _plan(
    conversation: Conversation, family: str, times: _Times, shared: SharedPrompts, started_at: float | None = None
) -> AgentPlan:
    """The plan of a conversation and of those that it starts. `started_at` is when the answer before it ended."""
    first = conversation.requests[0]
    shared_tokens, shared_id = shared.of(first)
    is_member = conversation.name != family
    start_s = times.pace * times.clock.read(first.at) if started_at is None else times.between(started_at, first.at)
    return AgentPlan(
        name=conversation.name,
        number=conversation.number,
        start_s=max(0.0, start_s),
        turns=tuple(_turns(conversation, family, times, shared, shared_tokens)),
        shared_tokens=shared_tokens,
        shared_id=shared_id,
        tenant=first.tenant,
        family=family if is_member else "",
        parent=family if is_member else "",
    )


def _turns(
    conversation: Conversation, family: str, times: _Times, shared: SharedPrompts, shared_tokens: int
) -> Iterator[Turn]:
    context = shared_tokens
    requests = conversation.requests
    for number, request in enumerate(requests):
        children = conversation.children.get(number, ())
        following = requests[number + 1] if number + 1 < len(requests) else None
        gap_s, kept = 0.0, request.completion_tokens
        if following is not None:
            gap_s = times.between(max((child.rests_at for child in children), default=request.ended_at), following.at)
            kept = max(0, min(kept, conversation.history[number + 1] - request.prompt_tokens))
            if request.content is not None:
                kept = max(0, min(kept, following.prompt_tokens - request.prompt_tokens))
        new = max(1, request.prompt_tokens - context)
        answer = max(1, request.completion_tokens)
        context += new + min(kept, answer)
        yield Turn(
            new_tokens=new,
            answer_tokens=answer,
            dropped_tokens=answer - min(kept, answer),
            gap_s=gap_s,
            children=tuple(_plan(child, family, times, shared, request.ended_at) for child in children),
            content=_content(request, following, answer, min(kept, answer), times.fresh),
        )


def _content(
    request: RecordedRequest, following: RecordedRequest | None, answer: int, kept: int, fresh: Iterator[int]
) -> Content | None:
    if request.content is None:
        return None
    after = None if following is None else following.content
    return request.content.answered(answer, following=after, kept_tokens=kept, fresh=fresh)
