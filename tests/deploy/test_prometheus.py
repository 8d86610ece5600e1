"""The Prometheus configuration, its rules, and the runbook for its alerts."""

import re
import subprocess
from typing import Any

import pytest
import yaml

from concur_proxy.admin.paths import OWN_PATHS
from concur_proxy.cli.main import COMMANDS
from tests.deploy.dashboard import dashboard
from tests.deploy.prometheus_server import SHIPPED

RUNBOOK = SHIPPED.parent / "runbook.md"


def alerts() -> list[dict[str, Any]]:
    groups = yaml.safe_load((SHIPPED / "alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


@pytest.mark.parametrize(
    "arguments",
    [("check", "config", "prometheus.yml"), ("check", "rules", "recording.yml", "alerts.yml")],
    ids=["config", "rules"],
)
def test_promtool_takes_it(arguments: tuple[str, ...]) -> None:
    done = subprocess.run(["promtool", *arguments], cwd=SHIPPED, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_alerts_fire_and_are_quiet_as_they_should() -> None:
    command = ["promtool", "test", "rules", "alerts_test.yml"]
    done = subprocess.run(command, cwd=SHIPPED, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_is_tested_both_ways() -> None:
    cases = yaml.safe_load((SHIPPED / "alerts_test.yml").read_text())["tests"]
    tested = [(test["alertname"], bool(test["exp_alerts"])) for case in cases for test in case["alert_rule_test"]]
    assert sorted(tested) == sorted((rule["alert"], fires) for rule in alerts() for fires in (True, False))


def test_the_runbook_answers_each_alert_and_no_other() -> None:
    headings = re.findall(r"^## (\w+)$", RUNBOOK.read_text(), re.MULTILINE)
    assert headings == [rule["alert"] for rule in alerts()]
    for rule in alerts():
        assert rule["annotations"]["runbook_url"] == f"deploy/runbook.md#{rule['alert'].lower()}"
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["description"].endswith(".")


def test_a_rate_is_judged_over_two_windows() -> None:
    """The long one says that it matters, the short one that it goes on."""
    for rule in alerts():
        windows = re.findall(r":ratio_rate(\d+)([mh])", rule["expr"])
        if windows or " / " in rule["expr"]:
            long, short = (int(number) * {"m": 1, "h": 60}[unit] for number, unit in windows)
            assert long >= 6 * short, rule["alert"]


def test_rules_keep_clusters_and_namespaces_apart() -> None:
    for name in ("recording.yml", "alerts.yml"):
        for labels in re.findall(r"\bby \(([^)]*)\)", (SHIPPED / name).read_text()):
            assert labels.startswith("cluster, namespace, job"), labels


def sections() -> dict[str, str]:
    """The runbook's text for each alert."""
    _, *parts = re.split(r"^## (\w+)$", RUNBOOK.read_text(), flags=re.MULTILINE)
    return dict(zip(parts[::2], parts[1::2], strict=True))


def test_each_section_tells_what_it_means_how_to_see_it_and_what_to_do() -> None:
    for alert, text in sections().items():
        assert re.findall(r"^\*\*(\w+)\*\*:", text, re.MULTILINE) == ["Means", "Look", "Do"], alert
        look = text[text.index("**Look**") : text.index("**Do**")]
        assert "`" in look or '"' in look, f"{alert} names neither a command nor a panel"
        assert re.search(r"^1\. ", text, re.MULTILINE), alert


def test_what_the_runbook_names_is_there() -> None:
    text = RUNBOOK.read_text()
    panels = {panel["title"].removesuffix(": $engine") for panel in dashboard()["panels"]}
    named = set(re.findall(r'"([A-Z][a-z ]+)"', text))
    assert named
    assert named <= panels | {"URL", "ID"}
    commands = set(re.findall(r"concur-proxy ([a-z][a-z-]+)", text))
    assert {"doctor", "status"} <= commands <= COMMANDS.keys()
    paths = set(re.findall(r"GATEWAY(/[a-z0-9/]+)", text))
    assert len(paths) > 5
    assert paths <= OWN_PATHS
