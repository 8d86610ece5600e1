"""The text and the page of a report."""

import io
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from rich.console import Console

from concur_proxy.lab.report.page import page
from concur_proxy.lab.report.report import Report, report_of
from concur_proxy.lab.report.text import print_report
from tests.lab.report.reports import checked, comparison, measured

HOSTILE = "<script>alert(1)</script>\"'&"
REPORTS = {
    "replayed": report_of(measured(), comparison()),
    "not believed": report_of(measured(), comparison(checks=[checked(0.5)])),
    "measured only": report_of(measured(), None, "why"),
    "hostile": report_of(measured(tenant=HOSTILE * 3, source=HOSTILE), comparison()),
}


def text_of(report: Report, width: int = 200) -> str:
    file = io.StringIO()
    print_report(report, Console(file=file, width=width))
    return file.getvalue()


@pytest.mark.parametrize("report", REPORTS.values(), ids=REPORTS.keys())
def test_the_text_fits_80_columns(report: Report) -> None:
    assert max(map(len, text_of(report).splitlines())) <= 80
    assert "…" not in text_of(report)


def test_the_text_says_what_was_measured_then_the_error_then_the_effect() -> None:
    text = re.sub(r"\s+", " ", text_of(REPORTS["replayed"]))
    parts = ["Measured", "Requests 20 in 1 session", "Recomputed", "Error of the replay", "What control changes"]
    places = [text.index(part) for part in [*parts, "Control would have saved"]]
    assert places == sorted(places)
    assert "1 line that was cut" in text


def test_an_effect_that_is_not_believed_is_not_shown() -> None:
    for shown in (text_of(REPORTS["not believed"]), page(REPORTS["not believed"])):
        assert "Error of the replay" in shown
        assert "What control changes" not in shown
        assert "50 % of" not in shown


def test_tenants_from_prometheus_have_their_part_of_the_tokens() -> None:
    shown = replace(measured(), served_by_tenant={"coding": 3_000_000.0, "": 1_000_000.0})
    text = re.sub(r"\s+", " ", text_of(report_of(shown, None, "why")))
    assert "By tenant tokens share" in text
    assert "coding 3M 75 %" in text
    assert "(no tenant) 1M 25 %" in text


class _Checked(HTMLParser):
    """Checks that tags are closed in order, and collects tags and links."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [value or "" for name, value in attrs if name in {"href", "src", "srcset"}]
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("report", REPORTS.values(), ids=REPORTS.keys())
def test_the_page_is_whole_needs_no_other_file_and_runs_nothing(report: Report) -> None:
    html = page(report)
    parser = _Checked()
    parser.feed(html)
    assert parser.open == []
    assert parser.links == []
    assert "script" not in parser.tags
    assert "url(" not in html
    assert HOSTILE not in html


def test_the_page_fits_a_phone_and_a_dark_screen() -> None:
    html = page(REPORTS["replayed"])
    assert 'content="width=device-width' in html
    assert "prefers-color-scheme: dark" in html


def test_each_hour_has_a_bar_that_says_its_value() -> None:
    html = page(REPORTS["replayed"])
    titles = re.findall(r"<title>(?!concur)(.*?)</title>", html)
    charts = html.count("<svg")
    spans = len(measured().over_time)
    assert charts == 3
    assert len(titles) == charts * spans
    assert all(re.fullmatch(r"\d\d-\d\d \d\d:\d\d: \S.*", title) for title in titles)
