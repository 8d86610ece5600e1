"""The page with both courses: whole, self-contained, and honest about a void comparison."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

from concur_proxy.lab.demo.course import Course, Point
from concur_proxy.lab.demo.drawing import CHARTS, draw
from concur_proxy.lab.demo.options import DemoOptions
from concur_proxy.lab.demo.page import page
from concur_proxy.lab.demo.run import Comparison
from concur_proxy.lab.demo.virtual import VirtualTimes
from tests.lab.demo.test_words import CONTROLLED, FREE, RUN

POINTS = [
    Point(at_s=at, running=8.0, waiting=at, cache_used=0.5, hit_rate=0.25, window=0.75) for at in (0.0, 60.0, 120.0)
]
LIVE = [replace(FREE, points=POINTS), replace(CONTROLLED, points=POINTS)]
VIRTUAL = VirtualTimes(uncontrolled_s=547.0, controlled_s=218.0, courses=(LIVE[0], LIVE[1]))
VALID = Comparison(
    runs=[replace(RUN, course=course, makespan_s=course.total_s / 12) for course in LIVE], virtual=VIRTUAL, void=None
)


class _Outline(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag != "meta":
            self.open.append(tag)
        self.addresses += [str(value) for name, value in attrs if name in {"src", "href"}]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_it_has_both_runs_live_and_in_virtual_time_and_needs_nothing_else() -> None:
    html = page(VALID, DemoOptions())
    outline = _Outline()
    outline.feed(html)
    assert (outline.open, outline.addresses) == ([], [])
    assert not re.search(r"url\(|@import|<script|http-equiv", html)
    assert html.count("<svg") == 2 * 2 * len(CHARTS)
    assert "547 s without control and 218 s through the gateway: 2.5x faster" in html
    assert "Cache hits: 16 %" in html
    assert "prefers-color-scheme: dark" in html
    assert 'name="viewport"' in html


def test_a_void_comparison_is_called_void_and_only_virtual_time_is_drawn() -> None:
    html = page(replace(VALID, void="this machine is too busy"), DemoOptions())
    assert '<p class="verdict void">The live comparison is void: this machine is too busy.</p>' in html
    assert "Live over HTTP on this machine" not in html
    assert "Cache hits, in virtual time: 16 %" in html
    assert html.count("<svg") == 2 * len(CHARTS)


def test_without_anything_to_compare_it_says_so() -> None:
    html = page(Comparison(runs=[], virtual=None, void="3 requests failed"), DemoOptions(engine="http://<gpu>"))
    assert "The live comparison is void: 3 requests failed." in html
    assert "http://&lt;gpu&gt;" in html
    assert "<svg" not in html


def _parsed(drawing: str) -> ET.Element:
    return ET.fromstring(drawing)  # noqa: S314 - our own drawing


def test_both_courses_have_the_same_axes() -> None:
    short = replace(LIVE[1], total_s=60.0, points=POINTS[:2])
    requests = CHARTS[0]
    for course in (LIVE[0], short):
        drawn = _parsed(draw(requests, "a run", course, others=[LIVE[0], short]))
        texts = [text.text for part in ("scale", "times") for text in drawn.findall(f".//div[@class='{part}']/span")]
        assert texts == ["120", "60", "0", "0 s", "274 s", "547 s"]


def test_a_line_has_a_gap_where_nothing_is_known() -> None:
    points = [replace(POINTS[0], at_s=float(at), hit_rate=None if at == 5 else 0.5) for at in range(11)]
    course = Course(
        total_s=10.0,
        hit_rate=None,
        recomputed_tokens=None,
        turn_p50_s=1.0,
        turn_p99_s=1.0,
        longest_wait_s=None,
        points=points,
    )
    drawn = _parsed(draw(CHARTS[2], "a run", course, others=[course]))
    assert [len(line.attrib["points"].split()) for line in drawn.iter("polyline")] == [5, 5]
