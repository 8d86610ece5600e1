"""Recordings of the load, for `report` and `simulate --trace`: times and token counts, no content, no session names."""

import json
from collections import OrderedDict
from hashlib import blake2b
from os import SEEK_END
from pathlib import Path
from secrets import token_bytes
from typing import TextIO

from concur_proxy.telemetry.events import Attempt, RequestEvents, RequestRecord
from concur_proxy.telemetry.requests import shown_model
from concur_proxy.wire.answer.usage import Usage

MAX_SESSIONS = 100_000
"""How many sessions' turns are counted. The count of an older session starts again."""


class TraceRecorder:
    """Appends a line to a file for each answer whose tokens were counted. `lab.recorded.reader` documents the
    format.

    A session appears as a keyed hash of its name; each process makes its own key and never stores it. Raises `OSError`
    if the file cannot be written.
    """

    def __init__(self, path: Path, began_at: float, began_time: float) -> None:
        """`began_at` is the time of the gateway's clock that counts as 0 in the recording, and `began_time` the same
        moment in seconds since 1970.
        """
        is_cut = _ends_within_line(path)
        self._file: TextIO = path.open("a", encoding="ascii", buffering=1)
        if is_cut:
            self._file.write("\n")
        self._began_at = began_at
        self._began_time = began_time
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
                self._write(record, attempt, attempt.usage, attempt.arrived_at)

    def _write(self, record: RequestRecord, attempt: Attempt, usage: Usage, arrived_at: float) -> None:
        name = self._hash(attempt.session_key)
        turn = self._turns.pop(name, 0)
        self._turns[name] = turn + 1
        if len(self._turns) > MAX_SESSIONS:
            self._turns.popitem(last=False)
        line: dict[str, object] = {
            "session": name,
            "turn": turn,
            "at": round(arrived_at - self._began_at, 3),
            "prompt_tokens": usage.prompt_tokens,
            "completion_tokens": usage.completion_tokens,
            "cached_tokens": usage.cached_tokens,
            "held_s": round(attempt.wait_s, 3),
            "duration_s": round(attempt.ended_at - arrived_at, 3),
            "time": round(self._began_time + arrived_at - self._began_at, 3),
            "recognised_by": record.recognised_by,
            "engine": attempt.engine,
            "model": shown_model(record, attempt),
        }
        if record.is_stream and attempt.first_token_at is not None:
            line["first_s"] = round(attempt.first_token_at - arrived_at, 3)
        if attempt.member:
            line["member"] = self._hash(attempt.member)
        if record.tenant:
            line["tenant"] = record.tenant
        if attempt.capacity_tokens is not None:
            line["capacity_tokens"] = attempt.capacity_tokens
        self._file.write(json.dumps(line) + "\n")

    def _hash(self, name: str) -> str:
        return blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8, key=self._key).hexdigest()


def _ends_within_line(path: Path) -> bool:
    """Whether the last process could not finish its last line."""
    if not path.is_file() or not path.stat().st_size:
        return False
    with path.open("rb") as file:
        file.seek(-1, SEEK_END)
        return file.read(1) != b"\n"
