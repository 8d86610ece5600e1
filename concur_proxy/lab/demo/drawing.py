"""Charts of a course."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from concur_proxy.control.phrasing import count, percent
from concur_proxy.lab.demo.course import Course, Point
from concur_proxy.lab.pages.plot import Place, Plot, figure, lines

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
            Line(name="running", colour="first", value=lambda point: point.running),
            Line(name="waiting", colour="second", value=lambda point: point.waiting),
        ),
        is_share=False,
    ),
    Chart(
        title="Cache",
        lines=(
            Line(name="in use", colour="first", value=lambda point: point.cache_used),
            Line(name="window", colour="second", value=lambda point: point.window),
        ),
        is_share=True,
    ),
    Chart(
        title="Cache hits",
        lines=(Line(name="prompt tokens found in the cache", colour="first", value=lambda point: point.hit_rate),),
        is_share=True,
    ),
)


def draw(chart: Chart, name: str, course: Course, *, others: Sequence[Course]) -> str:
    """The chart of one course, whose name is added to the title. `others` are all courses of the comparison, which
    decide on the axes.
    """
    longest = max((each.total_s for each in others), default=1.0) or 1.0
    values = [line.value(point) for each in others for point in each.points for line in chart.lines]
    most = 1.0 if chart.is_share else max((value for value in values if value is not None), default=1.0) or 1.0
    shown = percent if chart.is_share else count
    drawn = [line for line in chart.lines if any(line.value(point) is not None for point in course.points)]
    return figure(
        Plot(
            title=f"{chart.title}, {name}",
            scale=[shown(part * most) for part in (1.0, 0.5, 0.0)],
            times=[f"{part * longest:.0f} s" for part in (0.0, 0.5, 1.0)],
            marks="".join(lines(line.colour, _pieces(line, course.points, most, longest)) for line in drawn),
            keys=[(line.colour, line.name) for line in drawn],
            label=f"{chart.title}, {name}: {', '.join(line.name for line in drawn) or 'no data'}",
        )
    )


def _pieces(line: Line, points: Sequence[Point], most: float, longest: float) -> list[list[Place]]:
    """The line, with a gap where the value is not known."""
    pieces: list[list[Place]] = [[]]
    for point in points[:: max(1, -(-len(points) // POINTS))]:
        value = line.value(point)
        if value is None:
            pieces.append([])
        else:
            pieces[-1].append((min(1.0, point.at_s / longest), min(1.0, value / most)))
    return pieces
