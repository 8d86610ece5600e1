from dataclasses import replace
from typing import Literal

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from concur_proxy.lab.demo import servers
from concur_proxy.lab.demo.fleet import AgentFleet
from concur_proxy.lab.demo.workload import EVERY_KIND, Workload, write_scripts

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


async def test_agents_of_every_kind_reach_the_gateway_as_what_they_are() -> None:
    load = Workload(
        agents=4, turns=2, child_turns=2, first_tokens=400, growth_tokens=30, answer_tokens=5, kinds=EVERY_KIND
    )
    scripts = write_scripts(replace(load, tool_s=(0.0, 0.01)))
    async with servers.engine("--step-s", "0.001") as engine_url, servers.gateway(engine_url) as url:
        fleet = AgentFleet(base_url=url, model="emulated", scripts=scripts, time_scale=1.0)
        progress = await fleet.run()
        async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
            address = (await client.get("/concur/v1/state")).headers["x-concur-admin"]
            state = (await client.get(f"{address}/concur/v1/state")).json()
    assert (progress.turns, progress.total_turns, progress.failures) == (12, 12, [])
    assert state["sessions_total"] == 4, "the sub-agents belong to their parent's session, and a prompt names a session"
    assert sorted(session["turns"] for session in state["sessions"]) == [2, 2, 2, 6]
    assert progress.tells_cached
    assert len(progress.waits_s) == 12
    assert progress.recomputed_tokens < 200, "only partial blocks"
