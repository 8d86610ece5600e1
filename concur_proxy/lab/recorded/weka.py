"""Reads agent sessions in the format of WEKA's kv-cache-tester, which AgentX uses too: a JSON object for each session.

    {"id": "trace_0006", "block_size": 64, "tool_tokens": 12439, "system_tokens": 2771, "requests": [
      {"t": 0.0, "type": "n", "model": "opus", "in": 16981, "out": 154, "hash_ids": [1, 2, ...], "api_time": 3.89},
      {"t": 97.5, "type": "subagent", "agent_id": "agent_001", "duration_ms": 56560, "tool_tokens": 7401,
       "system_tokens": 1014, "requests": [{"t": 0.0, ...}, ...]}, ...]}

The objects are the lines of a file, the elements of an array, or the files of a folder. `t` is in seconds since the
session began, and for a sub-agent's requests since the sub-agent began, or, in AgentX, also since the session began. A
sub-agent's own `t` is when it ended. Agents that run at one time can also be in one list.
`hash_ids` are the whole blocks of the prompt: equal ids are equal content, within one session unless it says
`"hash_id_scope": "global"`. Prompts begin with `tool_tokens` and then `system_tokens`; sessions with the same two sizes
have the same ones. `api_time` is the duration of the answer in seconds; some answers have none. Nothing says when the
sessions began, so all begin together.
"""

from array import array
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Annotated, Literal

import msgspec

from concur_proxy.lab.recorded.entries import decoded, entries
from concur_proxy.lab.recorded.request import RecordedRequest, TraceProblem
from concur_proxy.lab.recorded.threads import ROUNDING_S, Prompt, threads_of
from concur_proxy.lab.simulation.content import Content
from concur_proxy.wire.answer.usage import MOST_CHOICES, MOST_TOKENS

MOST_BLOCKS = 1 << 32
"""Ids within a session are smaller."""
MOST_LEVELS = 40
"""Sub-agents within each other."""
USUAL_TOKEN_S = 0.02
"""Time for an answer's token if no duration is known."""

_Text = Annotated[str, msgspec.Meta(max_length=1000)]
_Seconds = Annotated[float, msgspec.Meta(ge=0, le=1e8)]
_Tokens = Annotated[int, msgspec.Meta(ge=0, le=MOST_CHOICES * MOST_TOKENS)]


class _Answer(msgspec.Struct, kw_only=True, gc=False):
    t: _Seconds
    prompt: Annotated[int, msgspec.Meta(ge=1, le=MOST_CHOICES * MOST_TOKENS)] = msgspec.field(name="in")
    out: _Tokens
    hash_ids: list[Annotated[int, msgspec.Meta(ge=0, lt=MOST_BLOCKS)]]
    model: _Text = ""
    api_time: _Seconds | None = None


class _Conversation(msgspec.Struct, kw_only=True):
    requests: list[msgspec.Raw]
    tool_tokens: _Tokens = 0
    system_tokens: _Tokens = 0


class _Session(_Conversation, kw_only=True):
    requests: Annotated[list[msgspec.Raw], msgspec.Meta(min_length=1)]
    block_size: Annotated[int, msgspec.Meta(ge=1, le=65536)]
    id: _Text = ""
    hash_id_scope: Literal["local", "global"] = "local"


class _SubAgent(_Conversation, kw_only=True):
    t: _Seconds
    duration_ms: Annotated[float, msgspec.Meta(ge=0, le=1e11)] = 0.0


class _Time(msgspec.Struct, gc=False):
    t: _Seconds


class _Kind(msgspec.Struct, gc=False):
    type: str = ""


_TIME = msgspec.json.Decoder(_Time)
_KIND, _SESSION = msgspec.json.Decoder(_Kind), msgspec.json.Decoder(_Session)
_ANSWER, _SUB_AGENT = msgspec.json.Decoder(_Answer), msgspec.json.Decoder(_SubAgent)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sent:
    """One request of a session."""

    member: str
    at: float
    answer: _Answer
    head_tokens: int

    @property
    def ended_at(self) -> float:
        """When its answer ended, as far as that is known."""
        return self.at + (self.answer.api_time or 0.0)


class SessionTrace:
    """Recorded sessions, all of which are in memory while they are read."""

    has_dates = False
    cut_lines = 0
    shows_load = False

    def __init__(self, path: Path) -> None:
        self._path = path
        self._heads: dict[tuple[int, int, int], int] = {}

    def requests(self) -> Iterator[RecordedRequest]:
        """The requests in the order in which their answers ended. Raises `TraceProblem` if an entry is no session."""
        found: list[RecordedRequest] = []
        for number, entry in enumerate(entries(self._path)):
            session = decoded(_SESSION, entry.text, entry.place)
            shared: dict[int, int] = {}
            block, name = session.block_size, f"{number}-{session.id}"
            base = 0 if session.hash_id_scope == "global" else (number + 1) * MOST_BLOCKS
            sent = self._conversation(session, entry.place, "", 0.0, block, shared)
            # ids that are the same everywhere need no others for the shared prompt
            found += [_request(each, name, base, block, shared if base else {}) for each in sent]
        if not found:
            raise TraceProblem(f"{self._path}: has no session")
        yield from sorted(_timed(found), key=lambda request: request.ended_at)

    def _conversation(
        self,
        conversation: _Conversation,
        place: str,
        member: str,
        began_at: float,
        block: int,
        shared: dict[int, int],
    ) -> list[_Sent]:
        """The requests of an agent and its sub-agents. Adds the ids of its shared prompt to `shared`."""
        own: list[_Sent] = []
        others: list[_Sent] = []
        ended_at = began_at
        head_tokens = conversation.tool_tokens + conversation.system_tokens
        for number, text in enumerate(conversation.requests):
            where = f"{place}, requests[{number}]"
            if decoded(_KIND, text, where).type == "subagent":
                if member.count("/") == MOST_LEVELS:
                    raise TraceProblem(f"{place.partition(', ')[0]}: has more than {MOST_LEVELS} levels of sub-agents")
                agent = decoded(_SUB_AGENT, text, where)
                begin = began_at + agent.t - agent.duration_ms / 1000
                begin = max(begin, ended_at if begin > ended_at - ROUNDING_S else began_at)
                nested_at = begin if _is_relative(agent, where) else began_at
                others += self._conversation(agent, where, f"{member}/{number}", nested_at, block, shared)
                continue
            answer = decoded(_ANSWER, text, where)
            own.append(_Sent(member=member, at=began_at + answer.t, answer=answer, head_tokens=head_tokens))
            ended_at = own[-1].ended_at
        self._share(conversation, [sent.answer.hash_ids for sent in own], block, shared)
        own.sort(key=lambda sent: sent.at)
        prompts = [Prompt(at=sent.at, ended_at=sent.ended_at, ids=sent.answer.hash_ids) for sent in own]
        threads = zip(own, threads_of(prompts), strict=True)
        return [replace(sent, member=f"{member}#{thread}" if thread else member) for sent, thread in threads] + others

    def _share(
        self, conversation: _Conversation, prompts: Sequence[Sequence[int]], block: int, shared: dict[int, int]
    ) -> None:
        """Find the ids of the shared prompt: most prompts of the conversation begin with it."""
        first = Counter(ids[0] for ids in prompts if ids)
        if not first:
            return
        usual, _ = first.most_common(1)[0]
        head = next(ids for ids in prompts if ids and ids[0] == usual)
        tools, system = conversation.tool_tokens, conversation.system_tokens
        # the tools come first, so sessions with other system prompts can have them in common
        for key, begin, end in (((block, tools, -1), 0, tools), ((block, tools, system), tools, tools + system)):
            number = self._heads.setdefault(key, len(self._heads) + 1)
            for place in range(begin // block, min(end // block, len(head))):
                shared.setdefault(head[place], -(number * MOST_BLOCKS + place))


def _is_relative(agent: _SubAgent, place: str) -> bool:
    """Whether the times of its requests are since it began: then the first one is about 0."""
    first = decoded(_TIME, agent.requests[0], f"{place}, requests[0]").t if agent.requests else 0.0
    return first <= ROUNDING_S


def _request(sent: _Sent, session: str, base: int, block: int, shared: Mapping[int, int]) -> RecordedRequest:
    """The request. Ids of the shared prompt are the same for all sessions, and all others only in their own one."""
    answer = sent.answer
    ids = array("q", [shared.get(each, base + each) for each in answer.hash_ids[: answer.prompt // block]])
    has_head = bool(ids) and ids[0] < 0 and sent.head_tokens < answer.prompt
    return RecordedRequest(
        session=session,
        member=sent.member,
        at=sent.at,
        prompt_tokens=answer.prompt,
        completion_tokens=answer.out,
        duration_s=answer.api_time or 0.0,
        is_timed=answer.api_time is not None,
        model=answer.model,
        content=Content(
            prompt_tokens=answer.prompt,
            block_tokens=block,
            ids=ids,
            head_tokens=sent.head_tokens if has_head else 0,
        ),
    )


def _timed(requests: Sequence[RecordedRequest]) -> Iterator[RecordedRequest]:
    """The requests, those without a duration with a guess: as others with as many tokens, but not beyond the next."""
    rates = [each.duration_s / each.completion_tokens for each in requests if each.is_timed and each.completion_tokens]
    token_s = median(rates) if rates else USUAL_TOKEN_S
    following: dict[tuple[str, str], float] = {}
    for request in sorted(requests, key=lambda each: each.at, reverse=True):
        conversation = request.session, request.member
        next_at = following.get(conversation)
        following[conversation] = request.at
        if request.is_timed:
            yield request
            continue
        guess_s = request.completion_tokens * token_s
        yield replace(request, duration_s=guess_s if next_at is None else min(guess_s, next_at - request.at))
