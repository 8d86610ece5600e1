"""Recordings of the load, to be replayed by the simulator: times and token counts, no content and no names."""

import json
from collections import OrderedDict
from hashlib import blake2b
from pathlib import Path
from secrets import token_bytes
from typing import TextIO

from concur_proxy.telemetry.events import Attempt, RequestEvents, RequestRecord
from concur_proxy.wire.answer.usage import Usage

MAX_SESSIONS = 100_000
"""How many sessions' turns are counted. The count of an older session starts again."""


class TraceRecorder:
    """Appends a line to a file for each answer whose tokens were counted. `lab.simulation.trace` documents the format.

    A session appears as a keyed hash of its name; each process makes its own key and never stores it. Raises `OSError`
    if the file cannot be written.
    """

    def __init__(self, path: Path, began_at: float) -> None:
        """`began_at` is the time of the gateway's clock that counts as 0 in the recording."""
        self._file: TextIO = path.open("a", encoding="ascii", buffering=1)
        self._began_at = began_at
        self._key = token_bytes(16)
        self._turns: OrderedDict[str, int] = OrderedDict()

    def subscribe(self, events: RequestEvents) -> None:
        """Record these requests."""
        events.ended.append(self._ended)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _ended(self, record: RequestRecord) -> None:
        for attempt in record.attempts:
            if attempt.usage is not None and attempt.arrived_at is not None:
                self._write(attempt, attempt.usage, attempt.arrived_at)

    def _write(self, attempt: Attempt, usage: Usage, arrived_at: float) -> None:
        key = attempt.session_key.encode("utf-8", "surrogatepass")
        name = blake2b(key, digest_size=8, key=self._key).hexdigest()
        turn = self._turns.pop(name, 0)
        self._turns[name] = turn + 1
        if len(self._turns) > MAX_SESSIONS:
            self._turns.popitem(last=False)
        line = {
            "session": name,
            "turn": turn,
            "at": round(arrived_at - self._began_at, 3),
            "prompt_tokens": usage.prompt_tokens,
            "completion_tokens": usage.completion_tokens,
            "cached_tokens": usage.cached_tokens,
            "held_s": round(attempt.wait_s, 3),
            "duration_s": round(attempt.ended_at - arrived_at, 3),
        }
        self._file.write(json.dumps(line) + "\n")
