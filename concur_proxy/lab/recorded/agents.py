"""Makes agents' plans of recorded requests.

Each conversation becomes an agent. The time from the end of an answer to the next request is a tool call. A
conversation that begins while no other one of its session is at work was started by the answer before it: a sub-agent,
or the same agent with a compacted history. It becomes a child of that turn, so that it is later if the turn is later.
"""

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count

from concur_proxy.lab.recorded.lanes import Lanes
from concur_proxy.lab.recorded.request import RecordedRequest
from concur_proxy.lab.simulation.content import Content
from concur_proxy.lab.simulation.plan import AgentPlan, Turn

LONGEST_IDLE_S = 120.0
"""A time without an open request is shortened to this, in which caches and the gate forget nothing."""
MOST_NESTED = 40
"""Conversations inside each other. Deeper ones begin when they were recorded."""
UNKNOWN_BLOCKS = 1 << 62
"""Blocks of content that was not recorded have ids from here on. Recorded ids are smaller."""
LEAST_SHARING = 3
"""So many sessions must have found equally many tokens at their first request before these count as a shared prompt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedAgents:
    """The plans, and which requests they are made of."""

    plans: Sequence[AgentPlan]
    requests: dict[str, Sequence[RecordedRequest]]
    """The requests of each agent's turns, by the name of its plan."""


@dataclass(slots=True, eq=False)
class _Conversation:
    name: str
    number: int
    requests: list[RecordedRequest] = field(default_factory=list)
    history: list[int] = field(default_factory=list)
    """For each request: the tokens of its prompt that the conversation had before."""
    children: dict[int, list["_Conversation"]] = field(default_factory=dict)
    """Conversations that an answer has started, by the number of its turn."""
    parent: "_Conversation | None" = None
    depth: int = 0
    goes_on_at: float = math.inf
    """When a conversation around it goes on, so that it must have ended."""
    rests_at: float = 0.0
    """When it and all that it started have ended."""


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
        conversations = _conversations(session, answers, numbers)
        answered.update((conversation.name, conversation.requests) for conversation in conversations)
        roots = _nest(conversations)
        family = conversations[0].name
        plans += [_plan(root, family, times, shared) for root in roots]
    return RecordedAgents(plans=sorted(plans, key=lambda plan: plan.start_s), requests=answered)


class BusyClock:
    """Time in which long idle times are short, so that nothing is simulated where nothing happened."""

    def __init__(self, requests: Sequence[RecordedRequest]) -> None:
        """`requests` are in the order of their arrival. The first one arrives at 0."""
        self._times: list[float] = []
        self._cut: list[float] = []
        ended_at = requests[0].at if requests else 0.0
        cut = ended_at
        self._times.append(-1.0)
        self._cut.append(cut)
        for request in requests:
            idle_s = request.at - ended_at
            if idle_s > LONGEST_IDLE_S:
                cut += idle_s - LONGEST_IDLE_S
                self._times.append(request.at)
                self._cut.append(cut)
            ended_at = max(ended_at, request.ended_at)

    def read(self, at: float) -> float:
        """The moment on this clock, in seconds."""
        return at - self._cut[bisect_right(self._times, at) - 1]


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


class SharedPrompts:
    """Guesses which tokens are a prompt that sessions share, such as a system prompt, from what the engine found in its
    cache at their first requests. Later requests show how much of that stays there because many sessions use it: what
    two sessions have in common by chance is evicted like the rest of their histories.
    """

    def __init__(self, sessions: Iterable[Sequence[RecordedRequest]]) -> None:
        """`sessions` are the requests of each session in the order of their arrival."""
        counts: dict[str, Counter[int]] = {}
        later: dict[tuple[str, int], list[int]] = {}
        for first, *others in sessions:
            if first.cached_tokens is not None:
                counts.setdefault(first.model, Counter())[first.cached_tokens] += 1
                found = (request.cached_tokens for request in others if request.cached_tokens is not None)
                later.setdefault((first.model, first.cached_tokens), []).extend(found)
        self._lengths: dict[str, list[int]] = {}
        self._usual: dict[str, int] = {}
        self._stays = {key: sorted(found)[len(found) // 20] for key, found in later.items() if found}
        """What is found in the cache by all but a twentieth of the later requests."""
        self._ids: dict[tuple[str, int], int] = {}
        for model, found_first in counts.items():
            lengths = sorted(tokens for tokens, count in found_first.items() if tokens and count >= LEAST_SHARING)
            self._lengths[model] = lengths
            if lengths:
                self._usual[model] = max(lengths, key=lambda tokens: found_first[tokens])

    def of(self, first: RecordedRequest) -> tuple[int, int]:
        """The shared tokens of a conversation with this first request, and the number of the shared prompt."""
        cached = first.cached_tokens
        lengths = self._lengths.get(first.model)
        if not lengths or cached is None:
            return 0, 0
        place = bisect_right(lengths, cached)
        # the first session of all finds nothing, but it has the same prompt as the others
        tokens = lengths[place - 1] if place else self._usual[first.model]
        tokens = min(tokens, self._stays.get((first.model, tokens), tokens))
        if not 0 < tokens < first.prompt_tokens:
            return 0, 0
        return tokens, self._ids.setdefault((first.model, tokens), len(self._ids) + 1)


def _conversations(session: str, answers: Sequence[RecordedRequest], numbers: Iterator[int]) -> Sequence[_Conversation]:
    """The session's conversations in the order in which they began."""
    if answers[0].content is not None:
        return _members(session, answers, numbers)
    lanes = Lanes()
    found: dict[int, _Conversation] = {}
    for request in answers:
        lane = lanes.find(request)
        conversation = found.get(lane.number)
        if conversation is None:
            number = next(numbers)
            conversation = found[lane.number] = _Conversation(name=f"{number}-{session}", number=number)
        conversation.history.append(lane.promised(request))
        conversation.requests.append(request)
        lane.extend(request)
    return list(found.values())


def _members(session: str, answers: Sequence[RecordedRequest], numbers: Iterator[int]) -> Sequence[_Conversation]:
    """The conversations of a recording that names them, and whose content shows what they have in common."""
    found: dict[str, _Conversation] = {}
    for request in answers:
        if request.member not in found:
            number = next(numbers)
            found[request.member] = _Conversation(name=f"{number}-{session}", number=number)
        found[request.member].requests.append(request)
    for conversation in found.values():
        sizes = (one.prompt_tokens + one.completion_tokens for one in conversation.requests[:-1])
        conversation.history = [0, *sizes]
    return list(found.values())


def _nest(conversations: Sequence[_Conversation]) -> Sequence[_Conversation]:
    """Put each conversation into the turn that started it. Returns those that no turn has started."""
    roots: list[_Conversation] = []
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
        outer: _Conversation | None = above
        while outer is not None:
            outer.rests_at = max(outer.rests_at, conversation.rests_at)
            outer = outer.parent
    return roots


def _next_at(conversation: _Conversation, turn: int) -> float:
    """When the turn after this one began."""
    following = turn + 1
    return conversation.requests[following].at if following < len(conversation.requests) else math.inf


def _starter(conversation: _Conversation, begun: Sequence[_Conversation]) -> tuple[_Conversation, int] | None:
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


def _plan(
    conversation: _Conversation, family: str, times: _Times, shared: SharedPrompts, started_at: float | None = None
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
    conversation: _Conversation, family: str, times: _Times, shared: SharedPrompts, shared_tokens: int
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
