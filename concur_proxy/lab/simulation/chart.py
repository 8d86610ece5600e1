"""An SVG that compares runs: sessions, KV usage, hit rate and throughput over time."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from xml.sax.saxutils import escape

from concur_proxy.lab.simulation.gateway import CoursePoint
from concur_proxy.lab.simulation.result import Result

WIDTH, PANEL, LEFT, TOP, GAP = 900, 130, 70, 44, 34
POINTS = 400
"""Most points of a line: the chart is not wide enough to show more."""
COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#8c564b", "#17becf", "#7f7f7f")

Series = Callable[[CoursePoint, CoursePoint], float]
"""Computes a chart's value from a point and the point before it."""

PANELS: Sequence[tuple[str, Series]] = (
    ("active sessions", lambda point, _: float(point.active)),
    ("KV usage", lambda point, _: point.kv_usage),
    ("prefix-hit rate", lambda point, _: point.hit_rate or 0.0),
    ("answer tokens/s", lambda point, before: (point.generated - before.generated) / max(point.at - before.at, 1e-9)),
)


def chart(results: Sequence[Result]) -> str:
    """Draw the first engine of each run. The runs are of one scenario, and each has its own colour."""
    longest = max((result.makespan_s for result in results), default=1.0)
    height = TOP + len(PANELS) * (PANEL + GAP)
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
            f'viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="12">'
        ),
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
    ]
    for number, result in enumerate(results):
        x = LEFT + number * 200
        label = escape(f"{result.policy} {result.makespan_s:.0f} s")
        parts.append(f'<rect x="{x}" y="12" width="12" height="12" fill="{_colour(number)}"/>')
        parts.append(f'<text x="{x + 18}" y="23">{label}</text>')
    for number, (title, series) in enumerate(PANELS):
        parts += _panel(results, title, series, TOP + number * (PANEL + GAP), longest)
    return "\n".join([*parts, "</svg>", ""])


def _panel(results: Sequence[Result], title: str, series: Series, top: float, longest: float) -> list[str]:
    curves = [_curve(result.courses[0] if result.courses else (), series) for result in results]
    most = max((value for curve in curves for _, value in curve), default=1.0) or 1.0
    right, bottom = WIDTH - 20, top + PANEL
    parts = [
        f'<text x="{LEFT}" y="{top - 4:.0f}" font-weight="bold">{escape(title)}</text>',
        f'<path d="M{LEFT} {top} V{bottom} H{right}" fill="none" stroke="#444"/>',
        f'<text x="{LEFT - 6}" y="{top + 10:.0f}" text-anchor="end">{most:.3g}</text>',
        f'<text x="{LEFT - 6}" y="{bottom}" text-anchor="end">0</text>',
        f'<text x="{right}" y="{bottom + 14:.0f}" text-anchor="end">{longest:.0f} s</text>',
    ]
    for number, curve in enumerate(curves):
        points = " ".join(
            f"{LEFT + at / longest * (right - LEFT):.1f},{bottom - value / most * PANEL:.1f}" for at, value in curve
        )
        parts.append(f'<polyline points="{points}" fill="none" stroke="{_colour(number)}" stroke-width="1.3"/>')
    return parts


def _curve(course: Sequence[CoursePoint], series: Series) -> list[tuple[float, float]]:
    thinned = course[:: max(1, len(course) // POINTS)]
    return [(point.at, series(point, before)) for before, point in pairwise(thinned)]


def _colour(number: int) -> str:
    return COLOURS[number % len(COLOURS)]
