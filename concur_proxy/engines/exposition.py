"""Reading Prometheus text: the few series that an engine kind wants, and one number from the series of all ranks."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from prometheus_client.parser import text_string_to_metric_families

_HELP = "# HELP "

MAX_LINES = 20_000
"""Further lines are not read. An engine exports about 700 series for each data-parallel rank."""
MAX_SERIES = 1000
"""Further wanted series are not read: parsing one takes about 15 us."""
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
    """The samples with wanted names.

    Names are checked before a line is parsed, because an engine exports about 700 series, most of them histogram
    buckets, and a kind wants a dozen.
    """
    series: dict[str, list[Series]] = {}
    texts: dict[str, str] = {}
    malformed = read_series = 0
    for line in text.split("\n", MAX_LINES)[:MAX_LINES]:
        if line.startswith(_HELP):
            name, _, said = line[len(_HELP) :].partition(" ")
            if is_wanted(name):
                texts[name] = said
            continue
        name = _name(line)
        if not name or not is_wanted(name):
            continue
        read_series += 1
        if read_series > MAX_SERIES:
            break
        if len(line) > MAX_LINE_CHARS:
            malformed += 1
            continue
        try:
            read = _series(name, line)
        except (
            ValueError,
            IndexError,
            OverflowError,
        ):  # the parser raises these for malformed lines (found by fuzzing)
            malformed += 1
            continue
        if math.isfinite(read.value):
            series.setdefault(name, []).append(read)
    return Exposition(series=series, help=texts, malformed_lines=malformed)


def _name(line: str) -> str:
    """The sample's name. Empty for a comment and an empty line, and for a quoted name, which no engine uses."""
    head = line.partition("{")[0].split(None, 1)
    return head[0] if head and head[0][0] != "#" else ""


def _series(name: str, line: str) -> Series:
    (family,) = text_string_to_metric_families(line)
    (sample,) = family.samples
    if sample.name != name:
        raise ValueError(f"{sample.name!r} is no name")  # the parser takes all that is before the labels as the name
    return Series(labels=sample.labels, value=float(sample.value))


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
