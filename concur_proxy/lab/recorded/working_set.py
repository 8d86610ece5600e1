"""How much cache a recording needs so that nothing is computed twice."""

from collections import Counter
from collections.abc import Iterable, Sequence

from concur_proxy.lab.recorded.request import RecordedRequest


def working_set_tokens(requests: Iterable[RecordedRequest]) -> int:
    """The most tokens that all conversations between their first request and their last answer had at one time. What
    several of them are known to have in common counts once.
    """
    conversations: dict[tuple[str, str], list[RecordedRequest]] = {}
    for request in sorted(requests, key=lambda request: request.at):
        conversations.setdefault((request.session, request.member), []).append(request)
    events: list[tuple[float, int, RecordedRequest | None]] = []
    for number, answers in enumerate(conversations.values()):
        events += [(request.at, number, request) for request in answers]
        events.append((max(request.ended_at for request in answers), number, None))
    held = [_Held() for _ in conversations]
    users: Counter[int] = Counter()
    most = now = 0
    for _, number, now_held in sorted(events, key=lambda event: event[:2]):
        now += held[number].replace(now_held, users)
        most = max(most, now)
    return most


class _Held:
    """What a conversation has in the cache."""

    __slots__ = ("_block", "_ids", "_unknown")

    def __init__(self) -> None:
        self._block = 0
        self._ids: Sequence[int] = ()
        self._unknown = 0
        """Tokens whose content was not recorded."""

    def replace(self, request: RecordedRequest | None, users: Counter[int]) -> int:
        """It has the tokens of this request now, or none. `users` counts the conversations with each block. Returns by
        how many tokens the cache grows.
        """
        grown = -self._unknown
        for block in self._ids:
            users[block] -= 1
            grown -= 0 if users[block] else self._block
        content = None if request is None else request.content
        self._ids, self._block = ((), 0) if content is None else (content.ids, content.block_tokens)
        for block in self._ids:
            grown += 0 if users[block] else self._block
            users[block] += 1
        tokens = 0 if request is None else request.prompt_tokens + request.completion_tokens
        self._unknown = tokens - len(self._ids) * self._block
        return grown + self._unknown
