import time

from concur_proxy.coordination.local import LocalCoordinator
from concur_proxy.engines.kind import KnownKinds
from concur_proxy.engines.sample import EngineSample, IntervalRates
from concur_proxy.monitoring.pool import EnginePool
from concur_proxy.settings.gateway import GatewaySettings

ONE, RANKS, NAMED, DNS = "http://127.0.0.1:1", "http://127.0.0.1:2#dp=2", "http://127.0.0.1:3", "http://name:8000"


def test_each_engine_gets_the_cache_size_of_its_server_or_name() -> None:
    settings = GatewaySettings(  # type: ignore[call-arg]
        engine=(ONE, RANKS),
        engine_dns=(DNS,),
        capacity_tokens=("9000", "http://127.0.0.1:2=7000", f"{DNS}=5000"),
    )
    pool = EnginePool(settings, KnownKinds(()), time.monotonic)
    coordinator = LocalCoordinator(pool.make_fleet(0), time.monotonic)
    pool.open(coordinator)
    pool.name_servers(DNS, [NAMED])
    used = {}
    for engine in pool.homes:
        monitor = pool.monitors[engine]
        monitor.on_sample(IntervalRates(now=1.0, capacity_tokens=100), EngineSample(at=1.0, kind="vllm"))
        assert monitor.rates is not None
        used[engine] = monitor.rates.capacity_tokens
    assert used == {ONE: 9000, "http://127.0.0.1:2#rank=0": 7000, "http://127.0.0.1:2#rank=1": 7000, NAMED: 5000}
