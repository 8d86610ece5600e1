"""A record of the load, to be replayed by the simulator: times and token counts, no content and no names."""

import json
from collections import OrderedDict
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from secrets import token_bytes
from typing import TextIO

from concur_proxy.admission.ticket import Ticket
from concur_proxy.wire.answer.usage import Usage

REMEMBERED_SESSIONS = 100_000
"""Of how many sessions the turns are counted; of an older one they begin anew."""


class TraceRecorder:
    """Appends a line to a file for each answer whose tokens were counted; `simulation.trace` tells the format.

    Sessions are told apart by a keyed hash whose key dies with the process. `OSError` when the file cannot be written.
    """

    def __init__(self, path: Path, clock: Callable[[], float]) -> None:
        self._file: TextIO = path.open("a", encoding="ascii", buffering=1)
        self._clock = clock
        self._began_at = clock()
        self._key = token_bytes(16)
        self._turns: OrderedDict[str, int] = OrderedDict()

    def record(self, ticket: Ticket, usage: Usage) -> None:
        """An answer has ended."""
        name = blake2b(ticket.session.key.encode("utf-8", "surrogatepass"), digest_size=8, key=self._key).hexdigest()
        turn = self._turns.pop(name, 0)
        self._turns[name] = turn + 1
        if len(self._turns) > REMEMBERED_SESSIONS:
            self._turns.popitem(last=False)
        line = {
            "session": name,
            "turn": turn,
            "at": round(ticket.arrived_at - self._began_at, 3),
            "prompt_tokens": usage.prompt_tokens,
            "completion_tokens": usage.completion_tokens,
            "cached_tokens": usage.cached_tokens,
            "held_s": round(ticket.held_s, 3),
            "duration_s": round(self._clock() - ticket.arrived_at, 3),
        }
        self._file.write(json.dumps(line) + "\n")

    def close(self) -> None:
        """Close the file."""
        self._file.close()
