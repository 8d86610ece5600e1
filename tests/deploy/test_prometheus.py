"""The Prometheus configuration, its rules, and what answers its alerts."""

import re
import subprocess
from typing import Any

import pytest
import yaml

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
        assert rule["annotations"]["runbook"] == f"deploy/runbook.md#{rule['alert'].lower()}"
        assert rule["annotations"]["summary"]
