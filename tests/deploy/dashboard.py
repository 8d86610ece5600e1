"""Reads the dashboard's JSON as Grafana does: panels with their positions, queries with the variables replaced."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DASHBOARD = Path(__file__).parents[2] / "deploy" / "grafana" / "dashboards" / "concur-proxy.json"
COLUMNS = 24
SCOPE = ("cluster", "namespace", "job")
"""Variables that every query is limited to. Without these labels, `.*` is right."""
ALL: Mapping[str, str] = {f"${name}": ".*" for name in (*SCOPE, "engine", "model")}
"""The initial values of the variables."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Intervals:
    """PromQL durations that Grafana derives from the time shown and the scrape interval."""

    step: str
    rate: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One panel and its position."""

    title: str
    kind: str
    x: float
    y: float
    width: float
    height: float
    queries: tuple[tuple[str, str], ...] = ()
    """Expressions with their legends."""
    defaults: Mapping[str, Any]
    overrides: Sequence[Mapping[str, Any]] = ()


def dashboard() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(DASHBOARD.read_text())
    return loaded


def substituted(expression: str, variables: Mapping[str, str], intervals: Intervals) -> str:
    """The query as Grafana sends it; fails on an unknown variable."""
    values = {**variables, "$__rate_interval": intervals.rate, "$__interval": intervals.step}
    for name, value in values.items():
        expression = expression.replace(name, value)
    assert "$" not in expression, f"a variable that the dashboard does not define: {expression}"
    return expression


def panels(engines: Sequence[str], intervals: Intervals) -> Iterator[Panel]:
    """All panels. A repeated panel appears once for each of these engines, side by side."""
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
    """The annotations that every panel shows: name, colour and query."""
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
    """The value of a variable, escaped for a regular expression in a PromQL string."""
    return re.sub(r"([$^*{}\[\]+?.()|])", r"\\\\\1", value)
