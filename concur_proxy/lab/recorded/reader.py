"""Reads the file of `serve --record`: one line of JSON for each answer, without its content.

    {"session": "5d0c...", "turn": 0, "at": 12.503, "prompt_tokens": 1830, "completion_tokens": 122,
     "cached_tokens": 960, "held_s": 0.0, "duration_s": 3.21, "first_s": 0.41, "time": 1796043601.503,
     "recognised_by": "headers", "member": "a0f3...", "engine": "http://gpu:8000", "model": "qwen3", "tenant": "team-a",
     "capacity_tokens": 463459}

`session` is a hash that has no meaning outside its file. `turn` counts the session's answers. `at` is when the request
arrived, in seconds since the gateway started, and `time` the same moment in seconds since 1970. `cached_tokens` is null
if the engine did not report it. `duration_s` and `first_s` are from the request to the end of its answer and to its
first token, and include `held_s`, the wait for admission. `first_s` is there for streams only. `recognised_by` is what
found the session, empty if nothing did. `member` is a hash too, for a conversation besides the session's first one.
`model` is there if the engine lists it, `tenant` if there are several.
`capacity_tokens` is the size of the engine's KV cache. Older recordings have only the fields up to `duration_s`.
"""

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, BinaryIO, Protocol, cast

import msgspec

from concur_proxy.lab.recorded.entries import GZIP_MAGIC
from concur_proxy.lab.recorded.request import RecordedRequest, TraceProblem
from concur_proxy.wire.answer.usage import MOST_CHOICES, MOST_TOKENS

MOST_LINE_BYTES = 1 << 16
RESTART_S = 1.0
"""Lines are written as their answers end. A line that began and ended before the one above it, by more than this, was
written by another process, whose clock had begun again.
"""

_Text = Annotated[str, msgspec.Meta(max_length=1000)]
_Seconds = Annotated[float, msgspec.Meta(ge=0, le=1e8)]
_Moment = Annotated[float, msgspec.Meta(ge=0, le=1e11)]
_Tokens = Annotated[int, msgspec.Meta(ge=0, le=MOST_CHOICES * MOST_TOKENS)]


class Reader(Protocol):
    """Reads recordings of one format. Each call of `requests` reads the file again, in bounded memory."""

    @property
    def has_dates(self) -> bool:
        """Whether the times of the requests are seconds since 1970. Known after the first request."""
        ...

    @property
    def cut_lines(self) -> int:
        """Lines that were cut in the last reading, as a crash or a running gateway leaves them."""
        ...

    @property
    def shows_load(self) -> bool:
        """Whether the durations are of these requests alone on these engines. Otherwise the engines had other load too,
        or there are no durations.
        """
        ...

    def requests(self) -> Iterator[RecordedRequest]:
        """The requests in the order in which their answers ended. Raises `TraceProblem` if this is no recording."""
        ...


class _Line(msgspec.Struct, kw_only=True, gc=False):
    session: _Text
    at: _Moment
    prompt_tokens: _Tokens
    completion_tokens: _Tokens
    duration_s: _Seconds
    cached_tokens: _Tokens | None = None
    held_s: _Seconds = 0.0
    first_s: _Seconds | None = None
    time: _Moment | None = None
    recognised_by: _Text | None = None
    member: _Text = ""
    engine: _Text = ""
    model: _Text = ""
    tenant: _Text = ""
    capacity_tokens: _Tokens | None = None


class GatewayRecording:
    """A file of `serve --record`, also compressed with gzip."""

    shows_load = True

    def __init__(self, path: Path) -> None:
        self.has_dates = False
        self.cut_lines = 0
        self._path = path
        self._decoder = msgspec.json.Decoder(_Line)
        self._shift_s = 0.0
        self._ended_at = 0.0
        self._at = 0.0

    def requests(self) -> Iterator[RecordedRequest]:
        """The requests in the order in which their answers ended. Raises `TraceProblem` if this is no recording."""
        self.cut_lines, self._shift_s, self._ended_at, self._at = 0, 0.0, 0.0, 0.0
        is_first = True
        for number, text in enumerate(self._lines(), start=1):
            line = self._parsed(number, text)
            if line is None:
                continue
            if is_first:
                self.has_dates, is_first = line.time is not None, False
            yield self._request(number, line)

    def _lines(self) -> Iterator[bytes]:
        try:
            with self._path.open("rb") as file:
                is_compressed = file.read(2) == GZIP_MAGIC
                file.seek(0)
                source = cast(BinaryIO, gzip.GzipFile(fileobj=file)) if is_compressed else file
                while text := source.readline(MOST_LINE_BYTES):
                    yield text
        except EOFError:
            self.cut_lines += 1  # the end of a compressed file is missing
        except (OSError, zlib.error) as error:
            raise TraceProblem(f"{self._path}: cannot be read: {error}") from None

    def _parsed(self, number: int, text: bytes) -> _Line | None:
        if not text.strip():
            return None
        try:
            return self._decoder.decode(text)
        except msgspec.ValidationError as error:
            raise self._problem(number, error) from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            if text.startswith(b"{") and len(text) < MOST_LINE_BYTES:
                self.cut_lines += 1
                return None
            if len(text) == MOST_LINE_BYTES:
                raise self._problem(number, f"it is longer than {MOST_LINE_BYTES} bytes") from None
            raise self._problem(number, error) from None

    def _problem(self, number: int, reason: object) -> TraceProblem:
        return TraceProblem(f"{self._path}: line {number} is not a request as serve --record writes it: {reason}")

    def _request(self, number: int, line: _Line) -> RecordedRequest:
        cached = line.cached_tokens
        return RecordedRequest(
            session=line.session,
            member=line.member,
            at=self._moment(number, line),
            prompt_tokens=line.prompt_tokens,
            completion_tokens=line.completion_tokens,
            cached_tokens=None if cached is None else min(cached, line.prompt_tokens),
            duration_s=line.duration_s,
            wait_s=min(line.held_s, line.duration_s),
            first_token_s=None if line.first_s is None else min(line.first_s, line.duration_s),
            is_recognised=None if line.recognised_by is None else bool(line.recognised_by),
            engine=line.engine,
            model=line.model,
            tenant=line.tenant,
            capacity_tokens=line.capacity_tokens or None,
        )

    def _moment(self, number: int, line: _Line) -> float:
        """When the request arrived. Without dates, a gateway that was started again begins where the last one ended."""
        if self.has_dates:
            if line.time is None:
                raise TraceProblem(f"{self._path}: line {number} has no time, but others have: split the file there")
            return line.time
        ended_at = self._shift_s + line.at + line.duration_s
        if ended_at < self._ended_at - RESTART_S and line.at < self._at:
            self._shift_s = self._ended_at
            ended_at = self._shift_s + line.at + line.duration_s
        self._at = line.at
        self._ended_at = max(self._ended_at, ended_at)
        return self._shift_s + line.at
