import logging
from dataclasses import replace

import pytest

from concur_proxy.engines.sample import EngineSample, IntervalRates
from concur_proxy.monitoring.engine_tokens import EngineTokens
from concur_proxy.wire.answer.usage import Usage
from tests.admission.gates import Scene

RATES = IntervalRates(now=10.0, kv_usage=0.1, running=1, waiting=0, capacity_tokens=5_120)
SAMPLE = EngineSample(at=10.0, kind="vllm", capacity_tokens=5_120, capacity_is_derived=True)


def used(tokens: EngineTokens, rates: IntervalRates = RATES, sample: EngineSample = SAMPLE) -> int | None:
    return tokens.on_sample(rates, sample, Scene(window=9.0).gate.snapshot()).capacity_tokens


def answer(tokens: EngineTokens, prompt: int, *, first_token_at: float = 11.0, is_batch: bool = False) -> Usage | None:
    said = Usage(prompt_tokens=prompt, completion_tokens=5)
    return tokens.on_usage(said, first_token_at=first_token_at, is_batch=is_batch)


def test_the_size_is_corrected_by_an_answer_that_was_being_written_at_the_last_reading(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    tokens = EngineTokens("a")
    assert used(tokens) == 5_120
    answer(tokens, 4_000)  # its prompt may still have been computed then
    assert used(tokens) == 5_120
    answer(tokens, 4_000, first_token_at=9.0)
    assert used(tokens) == 40_000
    assert used(tokens) == 40_000
    assert caplog.messages == [
        "engine a: its cache holds 40000 tokens (seen in its KV usage and answers); its metrics say 5120"
    ]


def test_the_size_is_at_least_the_longest_context_and_the_contexts_served() -> None:
    tokens = EngineTokens("a")
    tokens.max_model_len = 32_768
    assert used(tokens) == 32_768
    batched = EngineTokens("b")
    answer(batched, 30_000, is_batch=True)
    answer(batched, 30_000, is_batch=True)
    assert used(batched) == 5_120
    answer(batched, 30_000)
    answer(batched, 30_000)
    assert used(batched) == 30_000


def test_a_size_that_an_operator_set_is_used_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    tokens = EngineTokens("a", capacity_tokens=7)
    assert used(tokens) == 7
    assert "set by capacity_tokens" in caplog.text
    assert used(EngineTokens("b", capacity_tokens=7), replace(RATES, capacity_tokens=None)) == 7


def test_impossible_counts_are_dropped_counted_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    tokens = EngineTokens("a")
    assert answer(tokens, 10**20) is None
    assert answer(tokens, -1) is None
    assert tokens.on_usage(None, first_token_at=None, is_batch=False) is None
    assert answer(tokens, 40_000) is not None
    tokens.max_model_len = 32_768
    assert answer(tokens, 40_000) is None
    assert answer(tokens, 40_000, is_batch=True) is not None
    assert tokens.usage_dropped == 3
    assert len(caplog.messages) == 1


def test_no_context_is_longer_than_a_cache_that_is_reported_in_tokens() -> None:
    tokens, told = EngineTokens("a"), replace(SAMPLE, capacity_is_derived=False)
    used(tokens, sample=told)
    assert answer(tokens, 5_121) is None
    assert answer(tokens, 5_120) is not None
    set_by_hand = EngineTokens("b", capacity_tokens=100)
    used(set_by_hand, sample=told)
    assert answer(set_by_hand, 5_121) is not None
    blocks = EngineTokens("c")
    used(blocks)
    assert answer(blocks, 5_121) is not None, "blocks can hold more than they say"


def test_cached_tokens_are_not_believed_where_they_include_what_was_transferred() -> None:
    tokens = EngineTokens("a")
    said = Usage(prompt_tokens=100, completion_tokens=5, cached_tokens=96)
    assert tokens.on_usage(said, first_token_at=9.0, is_batch=False) == said
    tokens.counts_transferred = True
    assert tokens.on_usage(said, first_token_at=9.0, is_batch=False) == replace(said, cached_tokens=None)


def test_answers_without_cached_tokens_are_a_fault_once_the_cache_has_hits() -> None:
    tokens = EngineTokens("a")
    used(tokens, replace(RATES, hit_rate=0.5))
    for _ in range(20):
        assert not tokens.lacks_cached, "vLLM leaves the number out where it is 0"
        answer(tokens, 100)
    assert tokens.lacks_cached
    used(tokens, replace(RATES, hit_rate=0.0))
    assert not tokens.lacks_cached
    used(tokens, replace(RATES, hit_rate=0.5))
    tokens.on_usage(Usage(prompt_tokens=9, completion_tokens=1, cached_tokens=8), first_token_at=11.0, is_batch=False)
    assert not tokens.lacks_cached
