"""What a gate tells its lease about the engine."""

import pytest

from concur_proxy.admission.gap import Gap
from concur_proxy.admission.learned_lease import LearnedLease
from concur_proxy.admission.limits import EngineLoad
from tests.admission.gates import Scene


@pytest.mark.parametrize(
    ("prefill_tokens_s", "shortest_s", "longest_s"), [(1_000.0, 0.0, 0.0), (20.0, 20.0, 25.0)], ids=["fast", "slow"]
)
def test_an_engine_that_computes_its_cache_slowly_makes_the_lease_long(
    prefill_tokens_s: float, shortest_s: float, longest_s: float
) -> None:
    lease = LearnedLease()
    scene = Scene(lease=lease)
    for gap_s in [1.0, 20.0] * 50:
        number = lease.begin_gap(Gap.LATER, now=scene.now)
        scene.now += gap_s
        lease.end_gap(number, now=scene.now, came_back=True)
    reading = EngineLoad(
        running=0, waiting=0, kv_usage=0.0, capacity_tokens=10_000, prefill_tokens_s=prefill_tokens_s
    )  # computing all of it takes 10 s, or 500 s
    scene.gate.observe(reading, now=scene.now)
    assert shortest_s <= scene.gate.snapshot().lease_s <= longest_s


def test_a_gate_begins_with_the_lease_that_another_gateway_has_learned() -> None:
    scene = Scene(lease=LearnedLease())
    assert scene.gate.snapshot().lease_s == LearnedLease.FIRST_S
    scene.gate.begin_with_lease(0.7)
    assert scene.gate.snapshot().lease_s == 0.7
