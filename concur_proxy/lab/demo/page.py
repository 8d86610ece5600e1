"""The two courses side by side, as one page to keep: without scripts and without anything from another place."""

from collections.abc import Sequence
from html import escape

from concur_proxy.control.phrasing import count, percent
from concur_proxy.lab.demo import words
from concur_proxy.lab.demo.course import Course
from concur_proxy.lab.demo.drawing import CHARTS, draw
from concur_proxy.lab.demo.options import DemoOptions
from concur_proxy.lab.demo.run import Comparison
from concur_proxy.lab.pages.document import document, table


def page(comparison: Comparison, options: DemoOptions) -> str:
    """The page as HTML."""
    virtual, live = comparison.virtual, comparison.live
    parts = [
        "<h1>The same fleet, without control and through the gateway</h1>",
        f'<p class="soft">{escape(words.introduction(options))}</p>',
    ]
    verdict = words.live_verdict(comparison.runs, comparison.void)
    parts.append(f'<p class="verdict{"" if comparison.void is None else " void"}">{escape(verdict)}</p>')
    if virtual is not None:
        parts.append(f'<p class="{"soft" if live else "verdict"}">{escape(words.virtual_verdict(virtual))}</p>')
    lessons = words.lessons(comparison.courses, is_live=bool(live))
    parts.append("".join(f"<p>{escape(sentence)}</p>" for sentence in lessons))
    parts.append(f"<p>{escape(words.next_step(options))}</p>")
    if live:
        parts += _section("Live over HTTP on this machine", live, options)
    if virtual is not None and virtual.courses:
        parts += _section("In virtual time, which no busy machine can disturb", virtual.courses, options)
    parts.append('<p class="soft">All times are in the engine\'s seconds.</p>')
    return document("concur-proxy demo", parts)


def _section(title: str, courses: Sequence[Course], options: DemoOptions) -> list[str]:
    names = (words.run_name(None), words.run_name(options.law))
    parts = [f"<h2>{escape(title)}</h2>", _figures(names, courses), '<div class="charts pairs">']
    for chart in CHARTS:
        parts += [draw(chart, name, course, others=courses) for name, course in zip(names, courses, strict=True)]
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
    return table("", names, [(name, *cells) for name, cells in rows])
