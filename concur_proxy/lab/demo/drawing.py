"""Charts of a course as SVG, in the colours of the page that they are on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from concur_proxy.lab.demo.course import Course, Point

WIDTH, HEIGHT = 460, 190
LEFT, RIGHT, TOP, BOTTOM = 44, 10, 12, 26
POINTS = 300
"""Most points of a line: a chart is not wide enough to show more."""

Value = Callable[[Point], float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a chart."""

    name: str
    colour: str
    """The class of the style sheet."""
    value: Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """What a chart shows. Both courses are drawn with the same axes."""

    title: str
    lines: Sequence[Line]
    is_share: bool
    """Whether the values are between 0 and 1, and shown in percent."""


CHARTS = (
    Chart(
        title="Requests",
        lines=(
            Line(name="running", colour="a", value=lambda point: point.running),
            Line(name="waiting", colour="b", value=lambda point: point.waiting),
        ),
        is_share=False,
    ),
    Chart(
        title="Cache",
        lines=(
            Line(name="in use", colour="a", value=lambda point: point.cache_used),
            Line(name="window", colour="b", value=lambda point: point.window),
        ),
        is_share=True,
    ),
    Chart(
        title="Cache hits",
        lines=(Line(name="prompt tokens found in the cache", colour="a", value=lambda point: point.hit_rate),),
        is_share=True,
    ),
)


def draw(chart: Chart, course: Course, *, others: Sequence[Course]) -> str:
    """The chart of one course. `others` are all courses of the comparison, which decide on the axes."""
    longest = max((each.total_s for each in others), default=1.0) or 1.0
    values = [line.value(point) for each in others for point in each.points for line in chart.lines]
    most = 1.0 if chart.is_share else max((value for value in values if value is not None), default=1.0) or 1.0
    label = escape(f"{chart.title}: {', '.join(line.name for line in chart.lines)}")
    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">', *_axes(chart, most, longest)]
    for line in chart.lines:
        parts += _polylines(line, course.points, most, longest)
    return "".join([*parts, "</svg>"])


def _axes(chart: Chart, most: float, longest: float) -> list[str]:
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    parts = []
    for part in (0.0, 0.5, 1.0):
        y = bottom - part * (bottom - TOP)
        text = f"{100 * part:.0f} %" if chart.is_share else f"{part * most:.3g}"
        parts.append(f'<line class="grid" x1="{LEFT}" y1="{y:.1f}" x2="{right}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{text}</text>')
    for part, anchor in ((0.0, "start"), (0.5, "middle"), (1.0, "end")):
        x = LEFT + part * (right - LEFT)
        parts.append(f'<text x="{x:.1f}" y="{HEIGHT - 8}" text-anchor="{anchor}">{part * longest:.0f} s</text>')
    return parts


def _polylines(line: Line, points: Sequence[Point], most: float, longest: float) -> list[str]:
    """The line, with a gap where the value is not known."""
    pieces: list[list[str]] = [[]]
    for point in points[:: max(1, -(-len(points) // POINTS))]:
        value = line.value(point)
        if value is None:
            pieces.append([])
            continue
        x = LEFT + min(1.0, point.at_s / longest) * (WIDTH - RIGHT - LEFT)
        y = HEIGHT - BOTTOM - min(1.0, value / most) * (HEIGHT - BOTTOM - TOP)
        pieces[-1].append(f"{x:.1f},{y:.1f}")
    return [f'<polyline class="{line.colour}" points="{" ".join(piece)}"/>' for piece in pieces if len(piece) > 1]
