import json
from pathlib import Path

from rich.console import Console

from concur_proxy.lab.demo import run, servers
from concur_proxy.lab.demo.options import DemoOptions
from concur_proxy.lab.demo.workload import Workload

SMALL = Workload(agents=6, turns=3, first_tokens=200, growth_tokens=60, answer_tokens=8, tool_s=(0.1, 0.5))


async def test_the_demo_runs_the_fleet_twice_and_tells_the_ratio(tmp_path: Path) -> None:
    console = Console(record=True, width=120, force_terminal=False)
    results = await run.run(DemoOptions(workload=SMALL, time_scale=20.0), console)
    assert [result.turns for result in results] == [18, 18]
    assert [result.failures for result in results] == [0, 0]
    first, second = results
    assert first.most_active is None
    assert second.most_active is not None
    assert second.most_active >= 1
    assert all(result.hit_rate is not None and 0 < result.hit_rate < 1 for result in results)
    assert f"{first.makespan_s / second.makespan_s:.2f} times" in console.export_text()
    run.write_json(results, tmp_path / "demo.json")
    assert [row["turns"] for row in json.loads((tmp_path / "demo.json").read_text())] == [18, 18]


async def test_it_runs_against_an_engine_that_is_there() -> None:
    async with servers.engine("--flavour", "sglang", "--step-s", "0.001") as url:
        workload = Workload(agents=2, turns=2, first_tokens=50, growth_tokens=20, answer_tokens=4, tool_s=(0.0, 0.1))
        results = await run.run(DemoOptions(engine=url, workload=workload), Console(quiet=True))
    assert [result.failures for result in results] == [0, 0]
