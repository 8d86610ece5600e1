import json
import sys
from dataclasses import fields
from pathlib import Path

import pytest
from rich.console import Console

from concur_proxy.lab.demo import lag, run, servers
from concur_proxy.lab.demo.display import RunResult
from concur_proxy.lab.demo.options import DemoOptions
from concur_proxy.lab.demo.virtual import VirtualTimes
from concur_proxy.lab.demo.workload import Workload

SMALL = Workload(agents=6, turns=3, first_tokens=200, growth_tokens=60, answer_tokens=8, tool_s=(4.0, 6.0))
FIELDS = {field.name for field in fields(RunResult)} | {"void"}


@pytest.fixture(autouse=True)
def tolerance(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests run on busy machines; `slow_commands` is slower than any of them."""
    monkeypatch.setattr(lag, "TOLERANCE", 0.5)
    monkeypatch.setattr(lag, "HOPELESS", 0.6)


def said(console: Console) -> str:
    return " ".join(console.export_text().split())


async def test_the_demo_compares_the_fleet_in_virtual_time_and_live(tmp_path: Path) -> None:
    console = Console(record=True, width=120, force_terminal=False)
    comparison = await run.run(DemoOptions(workload=SMALL, time_scale=4.0), console)
    assert comparison.void is None
    assert comparison.virtual is not None
    first, second = comparison.runs
    assert [first.turns, second.turns] == [18, 18]
    assert [first.failures, second.failures] == [0, 0]
    assert first.most_active is None
    assert second.most_active is not None
    assert second.most_active >= 1
    for result in comparison.runs:
        assert result.hit_rate is not None
        assert 0 < result.hit_rate < 1
        assert result.virtual_s is not None
        assert result.makespan_s * result.time_scale > 0.9 * result.virtual_s
    text = said(console)
    assert "In virtual time the fleet takes" in text
    assert "Live over HTTP on this machine (sped up" in text
    run.write_json(comparison, tmp_path / "demo.json")
    rows = json.loads((tmp_path / "demo.json").read_text())
    assert [row["turns"] for row in rows] == [18, 18]
    assert all(row.keys() == FIELDS and row["void"] is None for row in rows)


async def test_it_runs_against_a_running_engine() -> None:
    async with servers.engine("--flavour", "sglang", "--step-s", "0.001") as url:
        workload = Workload(agents=2, turns=2, first_tokens=50, growth_tokens=20, answer_tokens=4, tool_s=(1.0, 1.1))
        comparison = await run.run(DemoOptions(engine=url, workload=workload), Console(quiet=True))
    assert comparison.virtual is None
    assert [result.failures for result in comparison.runs] == [0, 0]


@pytest.fixture
def slow_machine(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An engine that does not get the CPU in time, see `slow_commands`; runs are given up early."""
    monkeypatch.setattr(servers, "COMMAND", (sys.executable, "-m", "tests.lab.demo.slow_commands"))
    monkeypatch.setattr(lag, "SETTLED_S", 1.0)
    monkeypatch.setattr(lag, "SETTLED_ENGINE_S", 1.0)
    return monkeypatch


async def test_on_a_machine_that_is_too_slow_there_is_no_live_verdict(slow_machine: pytest.MonkeyPatch) -> None:
    slow_machine.setenv("SLOW_ABOVE", "0")
    console = Console(record=True, width=120, force_terminal=False)
    comparison = await run.run(DemoOptions(workload=SMALL, time_scale=3.0), console)
    assert comparison.runs == []
    assert comparison.void is not None
    assert comparison.void.startswith("this machine is too busy: the emulated engine's steps took ")
    text = said(console)
    assert "This machine does not keep up at 3x: the emulated engine's steps took" in text
    assert f"The live comparison is void: {comparison.void}." in text
    assert "Live over HTTP on this machine" not in text
    assert "In virtual time the fleet takes" in text


async def test_on_a_slow_machine_the_time_scale_is_lowered_until_it_keeps_up(slow_machine: pytest.MonkeyPatch) -> None:
    slow_machine.setenv("SLOW_ABOVE", "6")
    console = Console(record=True, width=120, force_terminal=False)
    comparison = await run.run(DemoOptions(workload=SMALL, time_scale=8.0), console)
    assert "This machine does not keep up at 8x" in said(console)
    assert comparison.void is None
    assert len({result.time_scale for result in comparison.runs}) == 1
    assert comparison.runs[0].time_scale <= 4.0


def result(seconds: float, *, failures: int = 0) -> RunResult:
    return RunResult(
        name="run",
        makespan_s=seconds,
        hit_rate=None,
        preemptions=None,
        turns=1,
        failures=failures,
        p50_turn_s=1.0,
        p99_turn_s=1.0,
        most_active=None,
    )


def test_a_live_result_far_from_the_virtual_one_is_void() -> None:
    virtual = VirtualTimes(uncontrolled_s=240.0, controlled_s=100.0)
    assert run.disagreement([result(220.0), result(100.0)], virtual) is None
    reason = run.disagreement([result(90.0), result(100.0)], virtual)
    assert reason is not None
    assert reason.startswith("the live result (1.1x slower) does not agree with the virtual one (2.4x faster)")


def test_a_fleet_with_failed_requests_is_not_compared() -> None:
    assert run.disagreement([result(10.0), result(1.0, failures=64)], None) == "64 requests failed"
