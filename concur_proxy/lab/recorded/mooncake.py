"""Reads requests in the format of the Mooncake traces: a JSON object for each request.

    {"timestamp": 3052, "input_length": 7234, "output_length": 794, "hash_ids": [0, 28, 29, 30, ...]}

`timestamp` is when the request arrived, in milliseconds since the first one. `hash_ids` are the blocks of 512 tokens of
the prompt, of which the last one may be cut: equal ids are equal content, in all requests. Nothing names the sessions:
a request continues the session whose last prompt is its longest prefix. Nothing says how long the answers took.
"""

from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import msgspec

from concur_proxy.lab.engine.cost import CostModel
from concur_proxy.lab.recorded.entries import decoded, entries
from concur_proxy.lab.recorded.prefixes import Sessions
from concur_proxy.lab.recorded.request import RecordedRequest, TraceProblem
from concur_proxy.lab.simulation.content import Content
from concur_proxy.wire.answer.usage import MOST_CHOICES, MOST_TOKENS

BLOCK_TOKENS = 512
MOST_BLOCKS = 1 << 60
"""Ids are smaller."""

_Tokens = Annotated[int, msgspec.Meta(ge=0, le=MOST_CHOICES * MOST_TOKENS)]


class _Line(msgspec.Struct, kw_only=True, gc=False):
    timestamp: Annotated[float, msgspec.Meta(ge=0, le=1e14)]
    input_length: Annotated[int, msgspec.Meta(ge=1, le=MOST_CHOICES * MOST_TOKENS)]
    output_length: _Tokens
    hash_ids: list[Annotated[int, msgspec.Meta(ge=0, lt=MOST_BLOCKS)]]
    session_id: str | None = None


_LINE = msgspec.json.Decoder(_Line)


class RequestTrace:
    """Recorded requests without sessions and durations, all of which are in memory while they are read."""

    has_dates = False
    cut_lines = 0
    shows_load = False

    def __init__(self, path: Path) -> None:
        self._path = path

    def requests(self) -> Iterator[RecordedRequest]:
        """The requests in the order in which their answers ended. Raises `TraceProblem` if an entry is no request."""
        lines: list[_Line] = []
        for entry in entries(self._path):
            line = decoded(_LINE, entry.text, entry.place)
            if line.session_id is not None:
                raise TraceProblem(
                    f"{entry.place}: session_id: only requests with their whole prompt can be read, not turns that "
                    "count what is new in them"
                )
            need = line.input_length // BLOCK_TOKENS
            if len(line.hash_ids) < need:
                raise TraceProblem(
                    f"{entry.place}: hash_ids: has {len(line.hash_ids)} blocks, but input_length needs {need}"
                )
            lines.append(line)
        sessions = Sessions()
        found = [_request(line, sessions) for line in sorted(lines, key=lambda line: line.timestamp)]
        yield from sorted(found, key=lambda request: request.ended_at)


def _request(line: _Line, sessions: Sessions) -> RecordedRequest:
    whole = array("q", line.hash_ids[: line.input_length // BLOCK_TOKENS])
    at, cost = line.timestamp / 1000, CostModel()
    session, known = sessions.find(whole, line.input_length, at)
    computed = line.input_length - known * BLOCK_TOKENS
    duration_s = computed / cost.prefill_tokens_s + line.output_length * (cost.step_s + cost.decode_s)
    return RecordedRequest(
        session=str(session),
        at=at,
        prompt_tokens=line.input_length,
        completion_tokens=line.output_length,
        duration_s=duration_s,
        is_timed=False,
        content=Content(prompt_tokens=line.input_length, block_tokens=BLOCK_TOKENS, ids=whole),
    )
