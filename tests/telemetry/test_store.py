from concur_proxy.coordination.local import LocalCoordinator
from concur_proxy.telemetry.store import StoreCollector
from tests.coordination.fleets import make_fleet


def test_a_store_in_memory_is_a_single_gateway_s() -> None:
    roles, replicas = StoreCollector(LocalCoordinator(make_fleet(), lambda: 0.0)).collect()
    assert {sample.labels["role"]: sample.value for sample in roles.samples} == {
        "single": 1.0,
        "leading": 0.0,
        "following": 0.0,
        "alone": 0.0,
    }
    assert [sample.value for sample in replicas.samples] == [1.0]
