from concur_proxy.lab.engine.cost import CostModel
from concur_proxy.lab.engine.engine import EngineModel, EngineShape
from concur_proxy.lab.engine.host_tier import HostTier
from concur_proxy.lab.engine.request import EngineRequest

BLOCK = 16


def test_it_finds_the_longest_kept_prefix() -> None:
    tier = HostTier(10)
    tier.keep(("a", "b", "c"))
    assert [tier.find(keys) for keys in (("a", "b", "c", "d"), ("a", "b", "x"), ("x",), ())] == [3, 2, 0, 0]


def test_the_least_recently_kept_sequences_make_room_and_a_too_large_one_is_not_kept() -> None:
    tier = HostTier(4)
    tier.keep(("a", "b"))
    tier.keep(("c", "d"))
    tier.keep(("a", "b"))
    tier.keep(("e", "f"))
    assert [tier.find(keys) for keys in (("a", "b"), ("c", "d"), ("e", "f"))] == [2, 0, 2]
    tier.keep(tuple("12345"))
    assert tier.find(tuple("12345")) == 0


def _run(model: EngineModel, name: str) -> float:
    """Seconds that a request of six blocks takes; five of them can be found in a cache."""
    keys = tuple(f"{name}{number}" for number in range(6))
    model.add(EngineRequest(keys=keys, prompt_tokens=6 * BLOCK, output_tokens=1))
    seconds = 0.0
    while (step_s := model.begin_step()) is not None:
        seconds += step_s
        model.end_step()
    return seconds


def test_evicted_blocks_are_loaded_from_host_memory_faster_than_computed() -> None:
    cost = CostModel(step_s=0.01, prefill_tokens_s=100.0, decode_s=0.0, load_tokens_s=1_000.0)
    model = EngineModel(EngineShape(capacity_tokens=8 * BLOCK, host_tokens=100 * BLOCK, cost=cost))
    first = _run(model, "a")
    _run(model, "b")  # evicts it
    again = _run(model, "a")
    assert first == 0.01 + 6 * BLOCK / 100
    loaded = model.counters.loaded
    assert 0 < loaded <= 5 * BLOCK
    assert again < first
    assert _run(EngineModel(EngineShape(capacity_tokens=8 * BLOCK, cost=cost)), "a") == first
