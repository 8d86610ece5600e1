"""How the memory, files and tasks of gateways change over time."""

from collections.abc import Sequence
from dataclasses import dataclass

MOST_MB_HOUR, MOST_HOUR = 1.0, 30
SLOPE_S = 1200.0
"""Slopes of processes that ran for a shorter time say nothing."""
WARM_UP = 0.25
"""The part of a process's time that does not count for a slope."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One look at a gateway process when no request was open."""

    at: float
    rss_mb: float
    files: int
    tasks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Slopes:
    """What changed in an hour."""

    rss_mb: float
    files: float
    tasks: float

    @property
    def grown(self) -> list[str]:
        """What grew by too much."""
        found = {"MB": self.rss_mb, "files": self.files, "tasks": self.tasks}
        most = {"MB": MOST_MB_HOUR, "files": MOST_HOUR, "tasks": MOST_HOUR}
        return [f"{found[kind]:+.1f} {kind}/h" for kind in found if found[kind] > most[kind]]


def slopes(samples: Sequence[Sample]) -> Slopes:
    """Least squares after the warm-up."""
    warm = samples[0].at + WARM_UP * (samples[-1].at - samples[0].at)
    late = [sample for sample in samples if sample.at >= warm]
    return Slopes(
        rss_mb=slope([(sample.at, sample.rss_mb) for sample in late]),
        files=slope([(sample.at, sample.files) for sample in late]),
        tasks=slope([(sample.at, sample.tasks) for sample in late]),
    )


def is_long(samples: Sequence[Sample]) -> bool:
    """Whether the slopes can be judged."""
    return samples[-1].at - samples[0].at >= SLOPE_S


def slope(values: Sequence[tuple[float, float]]) -> float:
    """Least squares: the change of a value in an hour, by pairs of seconds and value; 0 for fewer than two."""
    mean_x = sum(x for x, _ in values) / max(1, len(values))
    mean_y = sum(y for _, y in values) / max(1, len(values))
    spread = sum((x - mean_x) ** 2 for x, _ in values)
    return 3600 * sum((x - mean_x) * (y - mean_y) for x, y in values) / spread if spread else 0.0
