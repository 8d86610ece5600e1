import asyncio

from concur_proxy.lab.demo import servers
from concur_proxy.lab.demo.fleet import AgentFleet
from concur_proxy.lab.demo.watch import Watch, watch
from concur_proxy.lab.demo.workload import Workload, write_scripts


async def test_it_samples_the_engine_and_the_gateway() -> None:
    load = Workload(agents=3, turns=4, first_tokens=200, growth_tokens=40, answer_tokens=10, tool_s=(0.0, 0.05))
    seen = Watch()
    async with servers.engine("--step-s", "0.005") as engine_url, servers.gateway(engine_url) as gateway_url:
        watching = asyncio.create_task(watch(seen, engine_url=engine_url, gateway_url=gateway_url, interval_s=0.05))
        while seen.first is None:
            await asyncio.sleep(0.01)
        fleet = AgentFleet(base_url=gateway_url, model="emulated", scripts=write_scripts(load), time_scale=1.0)
        await fleet.run()
        while seen.last is None or seen.last.running or not seen.last.prefix_hits:
            await asyncio.sleep(0.01)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    assert seen.hit_rate is not None
    assert 0.5 < seen.hit_rate < 1
    assert seen.preemptions == 0
    assert max(seen.active) >= 1
    assert {"active", "paused", "queued"} <= seen.gateway.keys()


def test_without_samples_nothing_is_known() -> None:
    assert (Watch().hit_rate, Watch().preemptions) == (None, None)
