"""The moments to which each report subscribes."""

from pathlib import Path

import pytest

from concur_proxy.settings.gateway import GatewaySettings
from concur_proxy.telemetry.events import RequestEvents
from concur_proxy.telemetry.telemetry import Telemetry

MOMENTS = RequestEvents.__slots__
BY_METRICS = {"recognised": 1, "waited": 1, "retried": 1, "ended": 1}


def settings(**more: object) -> GatewaySettings:
    return GatewaySettings(engine=("http://127.0.0.1:9",), **more)  # type: ignore[arg-type]


def subscribers(telemetry: Telemetry) -> dict[str, int]:
    counts = {moment: len(getattr(telemetry.events, moment)) for moment in MOMENTS}
    return {moment: count for moment, count in counts.items() if count}


def test_without_other_reports_only_the_metrics_are_called() -> None:
    assert subscribers(Telemetry(settings(), replica="r", now=0.0, time=0.0)) == BY_METRICS


@pytest.mark.parametrize(
    ("more", "added"),
    [
        ({"otlp_endpoint": "http://127.0.0.1:9"}, {"began": 1, "sent": 1, "ended": 1}),
        ({"log_requests": True}, {"ended": 1}),
        ({"record": "trace.jsonl"}, {"ended": 1}),
    ],
    ids=["spans", "lines", "recording"],
)
async def test_each_report_subscribes_to_what_it_needs(
    more: dict[str, object], added: dict[str, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    telemetry = Telemetry(settings(**more), replica="r", now=0.0, time=0.0)
    moments = {*BY_METRICS, *added}
    assert subscribers(telemetry) == {name: BY_METRICS.get(name, 0) + added.get(name, 0) for name in moments}
    await telemetry.close()


def test_a_reload_switches_request_lines() -> None:
    telemetry = Telemetry(settings(), replica="r", now=0.0, time=0.0)
    for on in (True, False):
        telemetry.reconfigure(settings(log_requests=on))
        assert subscribers(telemetry)["ended"] == 1 + on
