"""The last hour of every engine and of all engines together, in points of 5 s.

Pure: the caller passes the time. The memory is bounded: one number of 4 bytes for each series and point.
"""

import math
from array import array
from collections import deque
from collections.abc import Mapping

STEP_S = 5.0
"""Time between two points."""
POINTS = 720
"""Points that are kept: one hour."""
NOW_S = 30.0
"""A present rate is the mean of so many seconds."""
HOURS = 24
"""Hours of the total of a day."""
LONGEST_GAP = 2
"""A reading also fills the points before it if at most so many steps have passed since the last one. It comes a moment
early or late.
"""
ALL = ""
"""The name of all engines together."""

GAUGES = ("admitted", "waiting", "in_flight", "footprint_tokens", "window_tokens", "window_sessions", "kv_usage")
RATES = ("cached_tokens", "computed_tokens", "returning_tokens", "recomputed_tokens", "answered_tokens")
"""Counters. Their series are rates per second."""
SERIES = (*GAUGES, *RATES)
_AVERAGED = frozenset({"kv_usage"})
"""Series whose value for all engines is the mean, and not the sum."""

Reading = Mapping[str, float | None]
"""Gauges and counters of one engine by name. None: not known."""


class History:
    """The series of all engines."""

    def __init__(self, *, now: float) -> None:
        self._began = now
        self._series: dict[str, dict[str, array[float]]] = {}
        self._last: dict[str, tuple[float, Reading]] = {}
        self._slot: int | None = None
        self._saved: deque[tuple[int, float]] = deque()
        """Hours with the tokens that were found in caches."""

    def record(self, readings: Mapping[str, Reading], *, now: float) -> None:
        """Note the present values of all engines. Engines that are not among them are forgotten."""
        slot = int(now / STEP_S)
        passed = 1 if self._slot is None else slot - self._slot
        self._slot = slot
        rows = {name: self._row(name, reading, now) for name, reading in readings.items()}
        self._add_saved(readings, now)
        self._last = {name: (now, reading) for name, reading in readings.items()}
        rows[ALL] = {name: _combined(name, list(rows.values())) for name in SERIES}
        self._series = {name: self._series.get(name) or _unknown() for name in rows}
        for name, row in rows.items():
            for series, values in self._series[name].items():
                self._fill(values, slot, passed, row[series])

    def series(self, engine: str, *, points: int) -> dict[str, list[float | None]] | None:
        """The newest points of each series of the engine or of `ALL`, oldest first. None for an unknown engine."""
        kept = self._series.get(engine)
        if kept is None or self._slot is None:
            return None
        end = self._slot % POINTS + 1
        return {name: [_known(value) for value in _newest(values, end, points)] for name, values in kept.items()}

    def rate(self, name: str, engine: str = ALL) -> float | None:
        """The mean of a series over the last `NOW_S`, or None if it is not known."""
        kept = self._series.get(engine)
        if kept is None or self._slot is None:
            return None
        recent = _newest(kept[name], self._slot % POINTS + 1, int(NOW_S / STEP_S))
        known = [value for value in recent if not math.isnan(value)]
        return sum(known) / len(known) if known else None

    def age_s(self, *, now: float) -> float:
        """Seconds since the newest point."""
        return 0.0 if self._slot is None else max(0.0, now - self._slot * STEP_S)

    def saved(self, *, now: float) -> tuple[float, float]:
        """Prompt tokens that were found in caches in the last 24 hours, and the seconds that this covers."""
        oldest = int(now / 3600) - HOURS
        tokens = sum(tokens for hour, tokens in self._saved if hour > oldest)
        return tokens, min(now - self._began, now - (oldest + 1) * 3600.0)

    def _row(self, engine: str, reading: Reading, now: float) -> dict[str, float]:
        row = {name: _number(reading[name]) for name in GAUGES}
        at, last = self._last.get(engine, (now, reading))
        for name in RATES:
            value, before = reading[name], last[name]
            known = value is not None and before is not None and now > at
            row[name] = max(0.0, value - before) / (now - at) if known else math.nan  # type: ignore[operator]
        return row

    def _add_saved(self, readings: Mapping[str, Reading], now: float) -> None:
        hour = int(now / 3600)
        if not self._saved or self._saved[-1][0] != hour:
            self._saved.append((hour, 0.0))
        while self._saved[0][0] <= hour - HOURS:
            self._saved.popleft()
        new = sum(
            max(0.0, (reading["cached_tokens"] or 0.0) - (self._last[name][1]["cached_tokens"] or 0.0))
            for name, reading in readings.items()
            if name in self._last
        )
        self._saved[-1] = (hour, self._saved[-1][1] + new)

    @staticmethod
    def _fill(values: "array[float]", slot: int, passed: int, value: float) -> None:
        fills = passed <= LONGEST_GAP
        for back in range(1, min(passed, POINTS)):
            values[(slot - back) % POINTS] = value if fills else math.nan
        values[slot % POINTS] = value


def _unknown() -> "dict[str, array[float]]":
    return {name: array("f", [math.nan]) * POINTS for name in SERIES}


def _newest(values: "array[float]", end: int, points: int) -> "array[float]":
    start = end - min(points, POINTS)
    return values[start:end] if start >= 0 else values[start:] + values[:end]


def _combined(name: str, rows: list[dict[str, float]]) -> float:
    known = [row[name] for row in rows if not math.isnan(row[name])]
    if not known:
        return math.nan
    return sum(known) / len(known) if name in _AVERAGED else sum(known)


def _number(value: float | None) -> float:
    return math.nan if value is None or math.isinf(value) else value


def _known(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 3)
