from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from concur_proxy.lab.engine.cost import CostModel
from concur_proxy.lab.engine.engine import EngineModel, EngineShape
from concur_proxy.lab.engine.request import EngineRequest

COST = CostModel(step_s=1.0, prefill_tokens_s=100.0, decode_s=0.5)


def engine(**values: int) -> EngineModel:
    return EngineModel(
        EngineShape(**{"capacity_tokens": 400, "block_tokens": 4, "token_budget": 64, **values}, cost=COST)
    )


def request(name: str, prompt: int, output: int, *, block: int = 4) -> EngineRequest:
    keys = tuple((name, at) for at in range((prompt + output) // block))
    return EngineRequest(keys=keys, prompt_tokens=prompt, output_tokens=output)


def run(model: EngineModel, *, most: int = 10_000) -> float:
    """Step until nothing is left to compute; returns the seconds that this took."""
    seconds = 0.0
    for _ in range(most):
        duration_s = model.begin_step()
        if duration_s is None:
            return seconds
        seconds += duration_s
        model.end_step()
    raise AssertionError("the engine does not come to an end")


def test_a_request_takes_a_step_for_its_prompt_and_one_for_each_further_token() -> None:
    model = engine()
    model.add(request("a", 40, 3))
    assert run(model) == pytest.approx((1 + 40 / 100) + 2 * (1 + 0.5))
    assert (model.counters.finished, model.counters.generated, model.counters.prefilled) == (1, 3, 40)
    assert (model.running, model.waiting, model.kv_usage) == (0, 0, 0.0)


def test_the_next_turn_finds_the_previous_prompt_and_answer() -> None:
    model = engine()
    model.add(request("a", 40, 9))
    run(model)
    again = request("a", 60, 1)
    model.add(again)
    run(model)
    # 48 of the 49 tokens were computed, because the last generated token never is; that is 12 whole blocks
    assert again.cached_tokens == 48
    assert (model.counters.prefix_queries, model.counters.prefix_hits) == (100, 48)


def test_a_fully_cached_prompt_still_computes_its_last_token() -> None:
    model = engine()
    for _ in range(2):
        last = request("a", 40, 1)
        model.add(last)
        run(model)
    assert last.cached_tokens == 36


def test_a_long_prompt_is_computed_in_chunks_next_to_decoding_requests() -> None:
    model = engine()
    first = request("a", 4, 10)
    model.add(first)
    model.begin_step()
    model.end_step()
    model.add(request("b", 100, 1))
    durations = []
    while first.generated < 3:
        durations.append(model.begin_step())
        model.end_step()
    # one token of the budget of 64 goes to `a`, the rest to `b`
    assert durations == [pytest.approx(1 + 63 / 100 + 0.5), pytest.approx(1 + 37 / 100 + 0.5)]


def test_a_prompt_that_does_not_fit_waits_and_so_do_the_requests_after_it() -> None:
    model = engine(capacity_tokens=40)
    model.add(request("a", 30, 2))
    model.begin_step()
    model.end_step()
    model.add(request("b", 30, 2))
    model.add(request("c", 4, 2))
    model.begin_step()
    assert (model.running, model.waiting) == (1, 2)
    model.end_step()
    run(model)
    assert (model.counters.finished, model.counters.preemptions) == (3, 0)


def test_if_answers_outgrow_the_cache_the_newest_request_is_preempted_and_computed_again() -> None:
    model = engine(capacity_tokens=40)
    old, new = request("old", 16, 20), request("new", 16, 20)
    model.add(old)
    model.add(new)
    order = []
    while model.begin_step() is not None:
        order += [one for one in model.end_step() if one.is_finished]
    assert order == [old, new]
    assert model.counters.preemptions >= 1
    assert model.counters.prefilled > 32
    assert (new.generated, model.counters.generated) == (20, 40)


def test_the_batch_is_bounded() -> None:
    model = engine(max_sequences=2)
    for name in "abc":
        model.add(request(name, 4, 2))
    model.begin_step()
    assert (model.running, model.waiting) == (2, 1)


def test_an_aborted_request_leaves_at_once_and_its_cache_stays() -> None:
    model = engine()
    gone, queued = request("a", 40, 100), request("b", 4, 1)
    model.add(gone)
    model.begin_step()
    model.end_step()
    model.add(queued)
    model.abort(queued)
    model.begin_step()
    model.abort(gone)
    model.end_step()
    assert (model.running, model.waiting, model.kv_usage) == (0, 0, 0.0)
    assert model.counters.aborted == 2
    model.abort(gone)
    assert model.counters.aborted == 2
    again = request("a", 41, 1)
    model.add(again)
    run(model)
    assert again.cached_tokens == 40


def test_usage_counts_blocks_of_requests_and_not_cached_ones() -> None:
    model = engine()
    model.add(request("a", 40, 2))
    model.begin_step()
    assert model.kv_usage == pytest.approx(10 / 100)
    model.end_step()
    run(model)
    assert (model.kv_usage, model.cache.evictable) == (0.0, 10)


def test_a_request_that_can_never_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="exceed the engine's 400"):
        engine().add(request("a", 390, 20))
    with pytest.raises(ValueError, match="at least two blocks"):
        EngineShape(capacity_tokens=16, block_tokens=16)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), agents=st.integers(1, 8), capacity=st.integers(30, 60))
def test_every_request_finishes_and_no_block_is_lost(seed: int, agents: int, capacity: int) -> None:
    """Agents with growing histories, in any interleaving; some of them give up."""
    random = Random(seed)
    model = engine(capacity_tokens=capacity * 4)
    lengths = dict.fromkeys(range(agents), 8)
    live: dict[EngineRequest, int] = {}
    asked = finished = 0
    while finished < 30:
        idle = [agent for agent in lengths if agent not in live.values()]
        if idle and random.random() < 0.6:
            agent = random.choice(idle)
            output = random.randint(1, 12)
            if not model.shape.fits(lengths[agent] + output):
                lengths[agent] = 8
            asking = request(f"agent-{agent}", lengths[agent], output)
            model.add(asking)
            live[asking] = agent
            asked += 1
        if live and random.random() < 0.05:
            gone = random.choice(list(live))
            model.abort(gone)
            del live[gone]
            finished += 1
        if model.begin_step() is None:
            continue
        for one in model.end_step():
            if one.is_finished:
                lengths[live.pop(one)] += one.output_tokens + random.randint(1, 8)
                finished += 1
    run(model)
    counters, cache = model.counters, model.cache
    assert counters.finished + counters.aborted == asked
    assert 0 <= counters.prefix_hits <= counters.prefix_queries
    assert (cache.used, cache.free + cache.evictable) == (0, cache.blocks)


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"block_tokens": 0}, "must be 1 or more"),
        ({"token_budget": 0}, "must be 1 or more"),
        ({"max_sequences": 0}, "must be 1 or more"),
        ({"host_tokens": -1}, "host_tokens must be 0 or more"),
        ({"capacity_tokens": 7}, "at least two blocks, 8"),
    ],
)
def test_an_engine_that_could_not_run_is_refused(values: dict[str, int], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        engine(**values)
