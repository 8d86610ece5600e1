from typing import Literal

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from concur_proxy.lab.demo import servers
from concur_proxy.lab.demo.fleet import AgentFleet
from concur_proxy.lab.demo.workload import Workload, write_scripts

SCRIPTS = write_scripts(
    Workload(agents=3, turns=3, first_tokens=100, growth_tokens=30, answer_tokens=5, tool_s=(0.0, 0.05))
)


async def test_every_agent_takes_every_turn() -> None:
    async with servers.engine("--step-s", "0.001") as url:
        fleet = AgentFleet(base_url=url, model="emulated", scripts=SCRIPTS, time_scale=1.0)
        progress = await fleet.run()
    assert (progress.turns, progress.finished_agents, progress.in_flight, progress.failures) == (9, 3, 0, [])
    assert len(progress.latencies_s) == len(progress.tools_late_s) == 9
    assert progress.elapsed_s >= max(progress.latencies_s)


async def test_an_agent_whose_engine_fails_is_counted_and_stops() -> None:
    async with servers.engine() as url:
        progress = await AgentFleet(base_url=url, model="another", scripts=SCRIPTS, time_scale=1.0).run()
    assert (progress.turns, progress.finished_agents) == (0, 0)
    assert len(progress.failures) == 3
    assert "404" in progress.failures[0]


@pytest.mark.parametrize(("names", "named"), [("agents", 9), ("requests", 9), ("nothing", 0)])
async def test_the_session_header_is_sent_or_not(names: Literal["agents", "requests", "nothing"], named: int) -> None:
    async with servers.engine("--step-s", "0.001") as engine_url, servers.gateway(engine_url) as url:
        fleet = AgentFleet(base_url=url, model="emulated", scripts=SCRIPTS, time_scale=1.0, names=names)
        assert (await fleet.run()).turns == 9
        async with httpx.AsyncClient(trust_env=False) as client:
            text = (await client.get(f"{url}/metrics")).text
    families = [
        family for family in text_string_to_metric_families(text) if family.name == "concur_recognised_requests"
    ]
    by_header = [s for family in families for s in family.samples if s.labels["by"] == "headers"]
    assert sum(sample.value for sample in by_header if sample.name.endswith("_total")) == named
