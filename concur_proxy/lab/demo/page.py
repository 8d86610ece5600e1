"""The two courses side by side, as one page to keep: without scripts and without anything from another place."""

from collections.abc import Sequence
from html import escape

from concur_proxy.control.phrasing import count, percent
from concur_proxy.lab.demo import words
from concur_proxy.lab.demo.course import Course
from concur_proxy.lab.demo.drawing import CHARTS, draw
from concur_proxy.lab.demo.options import DemoOptions
from concur_proxy.lab.demo.run import Comparison

_STYLE = """\
:root { color-scheme: light dark; --back: #fff; --text: #1c2024; --soft: #5f6870; --line: #d8dde2; --card: #f5f7f9;
  --a: #0b68cb; --b: #b45309; --warn: #fff4d6; }
@media (prefers-color-scheme: dark) { :root { --back: #14171a; --text: #e8eaed; --soft: #a3abb3; --line: #363c43;
  --card: #1d2125; --a: #6cb2ff; --b: #f5a65b; --warn: #40330b; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 68rem; padding: 1.2rem; background: var(--back); color: var(--text);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: .3rem 0; } h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
h3 { font-size: 1rem; margin: 0; } p { margin: .4rem 0; } .soft { color: var(--soft); }
.void { background: var(--warn); padding: .6rem .8rem; border-radius: .4rem; }
.lead { font-size: 1.25rem; font-weight: 600; }
table { border-collapse: collapse; width: 100%; } th, td { padding: .3rem .5rem; border-bottom: 1px solid var(--line);
  text-align: right; font-variant-numeric: tabular-nums; } th:first-child, td:first-child { text-align: left; }
.two { display: grid; grid-template-columns: 1fr 1fr; gap: 1rem; margin-top: 1rem; }
@media (max-width: 44rem) { .two { grid-template-columns: 1fr; } }
figure { margin: 0; background: var(--card); border-radius: .5rem; padding: .7rem; }
figcaption { font-size: .9rem; } svg { display: block; width: 100%; height: auto; margin-top: .3rem; }
svg text { font-size: 12px; fill: var(--soft); } .grid { stroke: var(--line); }
polyline { fill: none; stroke-width: 2; }
polyline.a { stroke: var(--a); } polyline.b { stroke: var(--b); stroke-dasharray: 5 3; }
.key { white-space: nowrap; margin-left: .8rem; } .key.a::before, .key.b::before { content: ""; display: inline-block;
  width: 1.2rem; vertical-align: middle; margin-right: .3rem; border-top: 3px solid var(--a); }
.key.b::before { border-top: 3px dashed var(--b); } code { overflow-wrap: anywhere; }
"""


def page(comparison: Comparison, options: DemoOptions) -> str:
    """The page as HTML."""
    virtual, live = comparison.virtual, comparison.live
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>concur-proxy demo</title><style>{_STYLE}</style></head><body>",
        "<h1>The same fleet, without control and through the gateway</h1>",
        f'<p class="soft">{escape(words.introduction(options))}</p>',
    ]
    verdict = words.live_verdict(comparison.runs, comparison.void)
    parts.append(f'<p class="{"lead" if comparison.void is None else "void"}">{escape(verdict)}</p>')
    if virtual is not None:
        parts.append(f'<p class="{"soft" if live else "lead"}">{escape(words.virtual_verdict(virtual))}</p>')
    lessons = words.lessons(comparison.courses, is_live=bool(live))
    parts.append("".join(f"<p>{escape(sentence)}</p>" for sentence in lessons))
    parts.append(f"<p>{escape(words.next_step(options))}</p>")
    if live:
        parts += _section("Live over HTTP on this machine", live, options)
    if virtual is not None and virtual.courses:
        parts += _section("In virtual time, which no busy machine can disturb", virtual.courses, options)
    parts.append('<p class="soft">All times are in the engine\'s seconds.</p></body></html>\n')
    return "\n".join(parts)


def _section(title: str, courses: Sequence[Course], options: DemoOptions) -> list[str]:
    names = (words.run_name(None), words.run_name(options.law))
    parts = [f"<h2>{escape(title)}</h2>", _figures(names, courses), '<div class="two">']
    for chart in CHARTS:
        for name, course in zip(names, courses, strict=True):
            drawn = [line for line in chart.lines if any(line.value(point) is not None for point in course.points)]
            keys = "".join(f'<span class="key {line.colour}">{escape(line.name)}</span>' for line in drawn)
            drawing = draw(chart, course, others=courses)
            caption = f"<h3>{escape(chart.title)}, {escape(name)}</h3>{keys}"
            parts.append(f"<figure><figcaption>{caption}</figcaption>{drawing}</figure>")
    return [*parts, "</div>"]


def _figures(names: Sequence[str], courses: Sequence[Course]) -> str:
    rows = [
        ("total time", [f"{course.total_s:.0f} s" for course in courses]),
        ("cache hits", ["-" if course.hit_rate is None else percent(course.hit_rate) for course in courses]),
        (
            "tokens recomputed",
            ["-" if course.recomputed_tokens is None else count(course.recomputed_tokens) for course in courses],
        ),
        ("turn, median", [f"{course.turn_p50_s:.1f} s" for course in courses]),
        ("turn, 99th percentile, waiting included", [f"{course.turn_p99_s:.1f} s" for course in courses]),
        (
            "longest wait for a place",
            ["-" if course.longest_wait_s is None else f"{course.longest_wait_s:.0f} s" for course in courses],
        ),
    ]
    head = "".join(f"<th>{escape(name)}</th>" for name in names)
    body = "".join(f"<tr><td>{name}</td>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>" for name, cells in rows)
    return f"<table><tr><th></th>{head}</tr>{body}</table>"
