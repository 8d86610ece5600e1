"""Prometheus text, reduced to the series that somebody asked for."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from prometheus_client.parser import text_string_to_metric_families


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One sample line: labels and value. NaN and infinity, which are written for "not known yet", never get here."""

    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposition:
    """The wanted part of one scrape."""

    series: Mapping[str, list[Series]] = field(default_factory=dict)
    """By sample name; a name that was not exported is absent."""
    malformed_lines: int = 0
    """Wanted lines that could not be read; each loses only itself."""

    def of_rank(self, label: str, rank: int) -> "Exposition":
        """What one data-parallel rank said: its own series by this label, and those without it, which are the
        server's.
        """
        own = {None, str(rank)}
        series = {name: [one for one in many if one.labels.get(label) in own] for name, many in self.series.items()}
        return Exposition(
            series={name: many for name, many in series.items() if many}, malformed_lines=self.malformed_lines
        )


def read_exposition(text: str, is_wanted: Callable[[str], bool]) -> Exposition:
    """The samples whose names are wanted.

    Lines are sorted out by name before anything is parsed: an engine exports some 700, mostly histogram buckets, and
    a law needs a dozen.
    """
    series: dict[str, list[Series]] = {}
    malformed = 0
    for line in text.split("\n"):
        name = _name(line)
        if not name or not is_wanted(name):
            continue
        try:
            read = _series(line)
        except (ValueError, IndexError, OverflowError):  # all that a fuzzed line made the parser raise
            malformed += 1
            continue
        if math.isfinite(read.value):
            series.setdefault(name, []).append(read)
    return Exposition(series=series, malformed_lines=malformed)


def _name(line: str) -> str:
    """The sample's name; that of a comment, an empty line and a quoted name, which nobody wants, is empty."""
    head = line.partition("{")[0].split(None, 1)
    return head[0] if head and head[0][0] != "#" else ""


def _series(line: str) -> Series:
    (family,) = text_string_to_metric_families(line)
    (sample,) = family.samples
    return Series(labels=sample.labels, value=float(sample.value))
