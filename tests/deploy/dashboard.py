"""The dashboard's JSON, read as Grafana reads it: panels with their places, and queries with the variables put in."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DASHBOARD = Path(__file__).parents[2] / "deploy" / "grafana" / "dashboards" / "concur-proxy.json"
COLUMNS = 24
ALL: Mapping[str, str] = {"$engine": ".*", "$model": ".*"}
"""The variables as they are at first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Intervals:
    """What Grafana makes of the time that is shown and of the scrape interval, as PromQL durations."""

    step: str
    rate: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One panel, where it stands."""

    title: str
    kind: str
    x: float
    y: float
    width: float
    height: float
    queries: tuple[tuple[str, str], ...] = ()
    """Expressions and their legends."""
    defaults: Mapping[str, Any]
    overrides: Sequence[Mapping[str, Any]] = ()


def dashboard() -> dict[str, Any]:
    """The file."""
    loaded: dict[str, Any] = json.loads(DASHBOARD.read_text())
    return loaded


def substituted(expression: str, variables: Mapping[str, str], intervals: Intervals) -> str:
    """The query as Grafana sends it; fails on a variable that there is not."""
    values = {**variables, "$__rate_interval": intervals.rate, "$__interval": intervals.step}
    for name, value in values.items():
        expression = expression.replace(name, value)
    assert "$" not in expression, f"a variable that the dashboard does not define: {expression}"
    return expression


def panels(engines: Sequence[str], intervals: Intervals) -> Iterator[Panel]:
    """All of them, one that is repeated once for each of these engines, beside each other."""
    for panel in dashboard()["panels"]:
        if "repeat" not in panel:
            yield _panel(panel, panel["title"], ALL, intervals)
            continue
        assert panel["repeat"] == "engine"
        assert panel["repeatDirection"] == "h"
        assert len(engines) <= panel["maxPerRow"], "a second row would move all that is below"
        for number, engine in enumerate(engines):
            title = panel["title"].replace("$engine", engine)
            width = COLUMNS / len(engines)
            place = {**panel["gridPos"], "x": number * width, "w": width}
            variables = {**ALL, "$engine": _escaped(engine)}
            yield _panel({**panel, "gridPos": place}, title, variables, intervals)


def annotations(intervals: Intervals) -> Iterator[tuple[str, str, str]]:
    """What is marked in every panel: its name, colour and query."""
    for annotation in dashboard()["annotations"]["list"]:
        yield annotation["name"], annotation["iconColor"], substituted(annotation["target"]["expr"], ALL, intervals)


def _panel(panel: Mapping[str, Any], title: str, variables: Mapping[str, str], intervals: Intervals) -> Panel:
    place, settings = panel["gridPos"], panel.get("fieldConfig", {})
    return Panel(
        title=title,
        kind=panel["type"],
        x=place["x"],
        y=place["y"],
        width=place["w"],
        height=place["h"],
        queries=tuple(
            (substituted(target["expr"], variables, intervals), target["legendFormat"])
            for target in panel.get("targets", ())
        ),
        defaults=settings.get("defaults", {}),
        overrides=settings.get("overrides", ()),
    )


def _escaped(value: str) -> str:
    """A variable's value within a regular expression within a PromQL text."""
    return re.sub(r"([$^*{}\[\]+?.()|])", r"\\\\\1", value)
