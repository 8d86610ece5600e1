"""Draws a panel of the dashboard with its data in HTML and SVG, roughly as Grafana does."""

import html
import math
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.deploy.dashboard import COLUMNS, Panel
from tests.deploy.prometheus_server import Series

WIDTH = 1120
"""Width of the page in pixels."""
UNIT, GAP = 28, 6
"""Height of a row of the grid, and the space between panels, in pixels."""
TITLE, LEGEND_LINE, AXIS, LEFT = 20, 14, 15, 42

COLOURS = {
    "green": "#4a9e3f",
    "yellow": "#d9a400",
    "blue": "#2f6fd0",
    "orange": "#ef6c00",
    "red": "#d7263d",
    "purple": "#8e4ec6",
    "text": "#4b4f58",
}
PALETTE = ("#4a9e3f", "#d9a400", "#2f6fd0", "#ef6c00", "#d7263d", "#8e4ec6", "#12908e", "#8a5a2b", "#b0378f", "#6b7280")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """An annotation: its times and its colour."""

    at: float
    colour: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One series with its name in the legend."""

    name: str
    points: Sequence[tuple[float, float]]
    colour: str
    is_dashed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """The time that is shown."""

    start: float
    end: float
    step: float


def draw(panel: Panel, found: Sequence[tuple[str, Series]], span: Span, marks: Sequence[Mark]) -> str:
    """The panel as an HTML element at its position. `found` is each series with the legend of its query."""
    width, height = panel.width * WIDTH / COLUMNS - GAP, panel.height * UNIT - GAP
    left, top = panel.x * WIDTH / COLUMNS, panel.y * UNIT
    box = f"left:{left:.0f}px;top:{top:.0f}px;width:{width:.0f}px;height:{height:.0f}px"
    title = html.escape(panel.title)
    if panel.kind == "row":
        return f'<h2 style="{box}">{title}</h2>'
    lines = list(_lines(panel, found))
    if not lines:
        body = '<p class="none">No data</p>'
    elif panel.kind == "stat":
        body = _stat(panel, lines, width, height - TITLE)
    else:
        legend = "" if panel.kind == "state-timeline" else _legend(lines)
        rows = _legend_rows(lines, width) if legend else 0
        size = width, height - TITLE - rows * LEGEND_LINE - 4
        picture = _timeline(panel, lines, span, size) if not legend else _chart(panel, lines, span, marks, size)
        body = picture + legend
    return f'<section style="{box}"><h3>{title}</h3>{body}</section>'


def shown(value: float, unit: str) -> str:
    """A number with its unit."""
    if unit == "percentunit":
        return f"{value * 100:.3g}%"
    if unit == "s":
        return f"{value * 1000:.3g} ms" if 0 < abs(value) < 1 else f"{value:.3g} s"
    for size, suffix in ((1e6, " Mil"), (1e3, " K")):
        if abs(value) >= size:
            return f"{value / size:.3g}{suffix}"
    return f"{value:.3g}"


def _lines(panel: Panel, found: Sequence[tuple[str, Series]]) -> Iterator[Line]:
    looks = {override["matcher"]["options"]: override["properties"] for override in panel.overrides}
    for number, (legend, series) in enumerate(found):
        name = _named(legend, series.labels)
        look: dict[str, Any] = {one["id"]: one["value"] for one in looks.get(name, ())}
        colour = look.get("color", {}).get("fixedColor")
        yield Line(
            name=name,
            points=[point for point in series.points if not math.isnan(point[1])],
            colour=COLOURS[colour] if colour else PALETTE[number % len(PALETTE)],
            is_dashed="custom.lineStyle" in look,
        )


def _named(legend: str, labels: Mapping[str, str]) -> str:
    return re.sub(r"{{(\w+)}}", lambda label: labels.get(label[1], ""), legend)


def _legend(lines: Sequence[Line]) -> str:
    items = (f'<span><i style="background:{line.colour}"></i>{html.escape(line.name)}</span>' for line in lines)
    return f"<footer>{''.join(items)}</footer>"


def _legend_rows(lines: Sequence[Line], width: float) -> int:
    rows, left = 0, 0.0
    for line in lines:
        size = len(line.name) * 5.8 + 24
        if size > left:
            rows, left = rows + 1, width - 6
        left -= size
    return rows


def _stat(panel: Panel, lines: Sequence[Line], width: float, height: float) -> str:
    parts = []
    for line in lines:
        value = line.points[-1][1] if line.points else math.nan
        name = f"<small>{html.escape(line.name)}</small> " if len(lines) > 1 else ""
        colour = _threshold(panel.defaults, value)
        parts.append(f'<b style="color:{colour}">{name}{shown(value, _unit(panel))}</b>')
    spark = _spark(lines[0].points, width, colour) if len(lines) == 1 and len(lines[0].points) > 1 else ""
    return f'<div class="stat" style="height:{height:.0f}px"><p>{" ".join(parts)}</p>{spark}</div>'


def _spark(points: Sequence[tuple[float, float]], width: float, colour: str) -> str:
    high, values = 24, [value for _, value in points]
    each, scale = width / (len(values) - 1), (high - 2) / ((max(values) - min(values)) or math.inf)
    path = _path([(index * each, high - 1 - (value - min(values)) * scale) for index, value in enumerate(values)])
    return f'<svg width="{width:.0f}" height="{high}"><path d="{path}" fill="none" stroke="{colour}"/></svg>'


def _threshold(defaults: Mapping[str, Any], value: float) -> str:
    if defaults["color"]["mode"] == "fixed":
        return COLOURS[defaults["color"]["fixedColor"]]
    steps = defaults["thresholds"]["steps"]
    return next(COLOURS[step["color"]] for step in reversed(steps) if step["value"] is None or value >= step["value"])


def _chart(panel: Panel, lines: Sequence[Line], span: Span, marks: Sequence[Mark], size: tuple[float, float]) -> str:
    values = [value for line in lines for _, value in line.points if math.isfinite(value)]
    low = float(panel.defaults.get("min", min(values, default=0.0)))
    high = float(panel.defaults.get("max", max(values, default=1.0)))
    high = high if high > low else low + 1
    ticks = _ticks(low, high)
    high = max(high, ticks[-1]) if "max" not in panel.defaults else high
    width, height = size[0], size[1] - AXIS

    def x(at: float) -> float:
        return LEFT + (at - span.start) / (span.end - span.start) * (width - LEFT - 8)

    def y(value: float) -> float:
        return height - 2 - (value - low) / (high - low) * (height - 8)

    parts = []
    for tick in ticks:
        parts.append(f'<path class="grid" d="M{LEFT} {y(tick):.1f}H{width - 8:.1f}"/>')
        parts.append(f'<text x="{LEFT - 4}" y="{y(tick) + 3:.1f}" text-anchor="end">{shown(tick, _unit(panel))}</text>')
    parts += _times(span, x, size)
    parts += [
        f'<path d="M{x(mark.at):.1f} 4V{height - 2:.1f}" stroke="{mark.colour}" stroke-dasharray="2 3"/>'
        for mark in marks
    ]
    for line in lines:
        dash = ' stroke-dasharray="6 4"' if line.is_dashed else ""
        for piece in _pieces(line.points, span.step):
            at = [(x(moment), y(value)) for moment, value in piece]
            if len(at) == 1:
                parts.append(f'<circle cx="{at[0][0]:.1f}" cy="{at[0][1]:.1f}" r="2" fill="{line.colour}"/>')
            else:
                parts.append(f'<path d="{_path(at)}" fill="none" stroke="{line.colour}"{dash} stroke-width="1.3"/>')
    return f'<svg width="{size[0]:.0f}" height="{size[1]:.0f}">{"".join(parts)}</svg>'


def _timeline(panel: Panel, lines: Sequence[Line], span: Span, size: tuple[float, float]) -> str:
    (mapping,) = panel.defaults["mappings"]
    states = {float(value): (state["text"], COLOURS[state["color"]]) for value, state in mapping["options"].items()}
    left, width, height = 118, size[0], size[1] - AXIS

    def x(at: float) -> float:
        return left + (at - span.start) / (span.end - span.start) * (width - left - 8)

    parts, row = _times(span, x, size), height / len(lines)
    for number, line in enumerate(lines):
        top = number * row + row * 0.1
        parts.append(
            f'<text x="{left - 4}" y="{top + row * 0.45:.1f}" text-anchor="end">{html.escape(line.name)}</text>'
        )
        for begin, end, value in stretches(line.points, span.step):
            text, colour = states[value]
            place = f'x="{x(begin):.1f}" y="{top:.1f}" width="{x(end) - x(begin):.1f}" height="{row * 0.8:.1f}"'
            parts.append(f'<rect {place} fill="{colour}" opacity=".7"/>')
            if x(end) - x(begin) > len(text) * 6 + 8:
                parts.append(f'<text class="state" x="{x(begin) + 5:.1f}" y="{top + row * 0.45:.1f}">{text}</text>')
    return f'<svg width="{size[0]:.0f}" height="{size[1]:.0f}">{"".join(parts)}</svg>'


def _times(span: Span, x: Callable[[float], float], size: tuple[float, float]) -> list[str]:
    room = (x(span.end) - x(span.start)) / 60
    every = next(step for step in (10, 30, 60, 120, 300, 600) if (span.end - span.start) / step <= room or step == 600)
    first = math.ceil(span.start / every) * every
    clock = {at: time.strftime("%H:%M:%S", time.gmtime(at)) for at in range(first, int(span.end), every)}
    return [
        f'<text x="{min(x(at), size[0] - 24):.1f}" y="{size[1] - 3:.1f}" text-anchor="middle">{text}</text>'
        for at, text in clock.items()
    ]


def _ticks(low: float, high: float) -> list[float]:
    rough = (high - low) / 4
    power = 10 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough)
    return [low + number * step for number in range(math.ceil((high - low) / step - 1e-9) + 1)]


def _pieces(points: Sequence[tuple[float, float]], step: float) -> Iterator[list[tuple[float, float]]]:
    """The parts of a series between gaps."""
    piece: list[tuple[float, float]] = []
    for at, value in points:
        if piece and at - piece[-1][0] > step * 1.5:
            yield piece
            piece = []
        piece.append((at, value))
    if piece:
        yield piece


def stretches(points: Sequence[tuple[float, float]], step: float) -> Iterator[tuple[float, float, float]]:
    """The time spans in which the value did not change."""
    for piece in _pieces(points, step):
        begin = 0
        for index in range(1, len(piece) + 1):
            if index == len(piece) or piece[index][1] != piece[begin][1]:
                yield piece[begin][0], piece[index - 1][0] + step, piece[begin][1]
                begin = index


def _unit(panel: Panel) -> str:
    return str(panel.defaults["unit"])


def _path(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
