"""A static chart over time: bars or lines as SVG. Labels are HTML, so that they stay readable on a narrow screen."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 1000, 100
"""Size of a chart in its own units. It is stretched to the space on the page."""
GAP = 0.2
"""Space between two bars, as a share of a bar's slot."""

Place = tuple[float, float]
"""A point of a chart: its time and its value, both as shares of the chart's axes, 0 to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """A chart's title, axes and marks."""

    title: str
    scale: Sequence[str]
    """Labels of the value axis, from the largest value to 0, at equal distances."""
    times: Sequence[str]
    """Labels of the time axis, from the beginning to the end, at equal distances."""
    marks: str
    """What `bars` or `lines` returned."""
    keys: Sequence[tuple[str, str]] = ()
    """Class and name of each line."""
    label: str
    """What the drawing shows, for people who cannot see it."""


def figure(plot: Plot) -> str:
    """The chart as HTML."""
    last = max(1, len(plot.scale) - 1)
    grid = "".join(
        f'<line class="grid" x1="0" y1="{y:g}" x2="{WIDTH}" y2="{y:g}"/>'
        for y in (HEIGHT * number / last for number in range(len(plot.scale)))
    )
    keys = "".join(f'<span class="key {name}">{escape(text)}</span>' for name, text in plot.keys)
    return (
        f'<figure><figcaption>{escape(plot.title)}</figcaption><div class="keys">{keys}</div><div class="plot">'
        f'<div class="scale">{_spans(plot.scale)}</div>'
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" role="img" aria-label="{escape(plot.label)}">'
        f'{grid}{plot.marks}</svg><div class="times">{_spans(plot.times)}</div></div></figure>'
    )


def without_data(title: str, text: str) -> str:
    """The place of a chart that has nothing to show."""
    return f'<figure><figcaption>{escape(title)}</figcaption><p class="soft">{escape(text)}</p></figure>'


def bars(values: Iterable[tuple[int, float, str]], *, slots: int) -> str:
    """A bar for each value: its slot, its share of the largest value, and the text that explains it."""
    width = WIDTH / slots
    return "".join(
        f'<rect x="{(slot + GAP / 2) * width:.1f}" y="{HEIGHT - height:.1f}" width="{(1 - GAP) * width:.1f}" '
        f'height="{height:.1f}"><title>{escape(text)}</title></rect>'
        for slot, height, text in (
            (slot, max(0.5, share * HEIGHT) if share else 0.0, text) for slot, share, text in values
        )
    )


def lines(name: str, pieces: Iterable[Sequence[Place]]) -> str:
    """A line of this class. It is in several pieces if there are gaps."""
    return "".join(f'<polyline class="{name}" points="{_points(piece)}"/>' for piece in pieces if len(piece) > 1)


def _points(piece: Sequence[Place]) -> str:
    return " ".join(f"{at * WIDTH:.1f},{(1 - value) * HEIGHT:.1f}" for at, value in piece)


def _spans(texts: Sequence[str]) -> str:
    return "".join(f"<span>{escape(text)}</span>" for text in texts)
