"""The README's chart shows the figures of the file of results."""

import re

from tests.docs.chart import CHART, RESULTS, chart, read_arms, read_facts


def test_the_chart_is_drawn_from_the_results() -> None:
    assert CHART.read_text(encoding="utf-8") == chart(), "run `python -m tests.docs.chart`"


def test_bars_are_as_long_as_the_fleet_took() -> None:
    arms = read_arms(RESULTS.read_text(encoding="utf-8"))
    bars = [float(width) for width in re.findall(r'<rect [^>]*width="([\d.]+)"', chart())]

    assert len(bars) == len(arms) >= 5
    shortest = min(arms, key=lambda arm: arm.total_s)
    assert bars.index(min(bars)) == arms.index(shortest)
    assert abs(bars[0] / min(bars) - arms[0].total_s / shortest.total_s) < 0.01


def test_the_source_is_named_in_the_file() -> None:
    facts = read_facts(RESULTS.read_text(encoding="utf-8"))

    assert {"Command", "Commit", "Date", "Machine"} == facts.keys()
    assert facts["Commit"] in CHART.read_text(encoding="utf-8")
