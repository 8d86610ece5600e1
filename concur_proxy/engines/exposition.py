"""Reading Prometheus text: the few series that an engine kind wants, and one number from the series of all ranks."""

import math
import re
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from prometheus_client.parser import text_string_to_metric_families

from concur_proxy.steps import finish

_HELP = "# HELP "
_USUAL = re.compile(
    r"([a-zA-Z_:][a-zA-Z0-9_:]*)"
    r'(?:\{((?:[a-zA-Z_]\w*="[^"\\]*+"(?:,[a-zA-Z_]\w*="[^"\\]*+")*+)?)\})?'
    r" ([+-]?[0-9]{1,20}(?:\.[0-9]{0,20})?(?:[eE][+-]?[0-9]{1,3})?)",
    re.ASCII,
)
_LABEL = re.compile(r'(\w+)="([^"\\]*)"', re.ASCII)

MAX_LINES = 20_000
"""Further lines are not read. An engine exports about 700 series for each data-parallel rank."""
MAX_SERIES = 1000
"""Further wanted series are not read: parsing one takes about 3 us."""
MAX_UNUSUAL = 100
"""Further wanted lines that the Prometheus client's parser must read count as malformed: one takes 15 us or more."""
STEP_LINES = 1000
STEP_SERIES = 100
"""So many lines, or wanted series, are read in one step."""
MAX_LINE_CHARS = 2048
"""A longer wanted line counts as malformed."""

RankKey = tuple[str, ...]
"""The values of the labels by which the series of data-parallel ranks differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One sample line: labels and a finite value. Engines write NaN and infinity for "not known yet"."""

    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposition:
    """The wanted part of one scrape."""

    series: Mapping[str, list[Series]] = field(default_factory=dict)
    """By sample name. A name that the engine does not export is absent."""
    help: Mapping[str, str] = field(default_factory=dict)
    """The help texts of the wanted names. It can name the unit where versions of an engine differ in it."""
    malformed_lines: int = 0
    """Wanted lines that could not be parsed. They are skipped; all other lines count."""

    def of_rank(self, label: str, dp_rank: int) -> "Exposition":
        """The series of one data-parallel rank, and those without the rank label, which belong to the whole server."""
        own = {None, str(dp_rank)}
        series = {name: [one for one in many if one.labels.get(label) in own] for name, many in self.series.items()}
        kept = {name: many for name, many in series.items() if many}
        return Exposition(series=kept, help=self.help, malformed_lines=self.malformed_lines)


def read_exposition(text: str, is_wanted: Callable[[str], bool]) -> Exposition:
    """The samples with wanted names."""
    return finish(exposition_in_steps(text, is_wanted))


def exposition_in_steps(text: str, is_wanted: Callable[[str], bool]) -> Generator[None, None, Exposition]:
    """Read as `read_exposition` does, in steps of about a millisecond.

    Names are checked before a line is parsed, because an engine exports about 700 series, most of them histogram
    buckets, and a kind wants a dozen.
    """
    reading = _Reading(is_wanted)
    wanted = 0
    for number, line in enumerate(text.split("\n", MAX_LINES)[:MAX_LINES], 1):
        if not number % STEP_LINES:
            yield
        name = reading.wanted_name(line)
        if not name:
            continue
        wanted += 1
        if wanted > MAX_SERIES:
            break
        if not wanted % STEP_SERIES:
            yield
        reading.add(name, line)
    return Exposition(series=reading.series, help=reading.help, malformed_lines=reading.malformed)


class _Reading:
    """What has been read so far."""

    def __init__(self, is_wanted: Callable[[str], bool]) -> None:
        self.series: dict[str, list[Series]] = {}
        self.help: dict[str, str] = {}
        self.malformed = 0
        self._unusual = 0
        self._is_wanted = is_wanted
        self._names: dict[str, str] = {}
        """The wanted name, or an empty text, for each beginning of a line that has been seen: most are repeated."""

    def wanted_name(self, line: str) -> str:
        """The name of the line's sample; empty if it has none, or an unwanted one. A help text is kept."""
        if line[:1] == "#":
            if line.startswith(_HELP):
                name, _, said = line[len(_HELP) :].partition(" ")
                if self._is_wanted(name):
                    self.help[name] = said
            return ""
        head, brace, _ = line.partition("{")
        known = self._names.get(head) if brace else None
        if known is None:
            name = _name(head)
            known = name if name and self._is_wanted(name) else ""
            if brace:
                self._names[head] = known
        return known

    def add(self, name: str, line: str) -> None:
        """Read a line with a wanted name."""
        read = _usual(name, line)
        if read is None:
            self._unusual += 1
            read = _unusual(name, line) if self._unusual <= MAX_UNUSUAL else None
        if read is None:
            self.malformed += 1
        elif math.isfinite(read.value):
            self.series.setdefault(name, []).append(read)


def _name(head: str) -> str:
    """The sample's name at the beginning of a line. Empty for a comment and an empty line, and for a quoted name, which
    no engine uses.
    """
    words = head.split(None, 1)
    return words[0] if words and words[0][0] != "#" else ""


def _usual(name: str, line: str) -> Series | None:
    """Read a line as engines write them. It takes a fifth of the parser's time."""
    found = _USUAL.fullmatch(line) if len(line) <= MAX_LINE_CHARS else None
    if found is None or found[1] != name:
        return None
    pairs = _LABEL.findall(found[2] or "")
    labels = dict(pairs)
    return Series(labels=labels, value=float(found[3])) if len(labels) == len(pairs) else None


def _unusual(name: str, line: str) -> Series | None:
    """Read any line with the parser of the Prometheus client. Returns None for a malformed one."""
    if len(line) > MAX_LINE_CHARS:
        return None
    try:
        (family,) = text_string_to_metric_families(line)
        (sample,) = family.samples
        value = float(sample.value)
    except (ValueError, IndexError, OverflowError):  # the parser raises these for malformed lines (found by fuzzing)
        return None
    # the parser takes all that is before the labels as the name
    return Series(labels=sample.labels, value=value) if sample.name == name else None


class RankReader:
    """Makes one number from the series of a server with several data-parallel ranks.

    Series that differ in one of `rank_labels` come from different ranks. Each rank has its own cache, so their values
    are added, or the highest is taken. Series that differ in another label (a tensor-parallel worker, a process id, a
    served model name) report the same fact more than once, so the largest value counts.
    """

    def __init__(self, exposition: Exposition, rank_labels: Sequence[str]) -> None:
        self._series = exposition.series
        self._rank_labels = rank_labels

    def each(self, names: Sequence[str], **labels: str) -> dict[RankKey, float]:
        """The value of each rank, under the first of `names` that is exported. Empty if none is."""
        series = [
            one for one in self.first(names) if all(one.labels.get(label) == value for label, value in labels.items())
        ]
        return {rank: max(one.value for one in same) for rank, same in self.by_rank(series).items()}

    def total(self, names: Sequence[str], **labels: str) -> float | None:
        """The sum over all ranks; None if no rank has a value."""
        values = self.each(names, **labels).values()
        return sum(values) if values else None

    def highest(self, names: Sequence[str]) -> float | None:
        """The largest value among the ranks; None if no rank has one."""
        return max(self.each(names).values(), default=None)

    def whole(self, names: Sequence[str]) -> int | None:
        """The sum over all ranks, rounded."""
        value = self.total(names)
        return None if value is None else round(value)

    def first(self, names: Sequence[str]) -> list[Series]:
        """The series under the first of `names` that is exported."""
        return next((self._series[name] for name in names if name in self._series), [])

    def by_rank(self, series: Iterable[Series]) -> dict[RankKey, list[Series]]:
        ranks: dict[RankKey, list[Series]] = {}
        for one in series:
            ranks.setdefault(tuple(one.labels.get(label, "") for label in self._rank_labels), []).append(one)
        return ranks
