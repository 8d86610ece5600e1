import pytest

from concur_proxy.admission.footprint import FootprintEstimator


def test_before_any_count_more_tokens_are_assumed_than_english_has() -> None:
    assert FootprintEstimator().estimate(400) == pytest.approx(160.0)


def test_a_long_request_tells_more_than_many_short_ones() -> None:
    estimator = FootprintEstimator()
    for _ in range(5):
        estimator.learn(body_bytes=60, prompt_tokens=10)
    assert 0.3 < estimator.tokens_per_byte < 0.4
    estimator.learn(body_bytes=40_000, prompt_tokens=8_000)
    assert estimator.tokens_per_byte == pytest.approx(0.2, abs=0.02)


def test_the_ratio_converges_to_what_the_engine_counts() -> None:
    estimator = FootprintEstimator()
    for _ in range(100):
        estimator.learn(body_bytes=1_000, prompt_tokens=500)
    assert estimator.estimate(1_000) == pytest.approx(500.0, rel=1e-3)


@pytest.mark.parametrize(("body_bytes", "prompt_tokens"), [(0, 100), (100, 0)])
def test_nothing_is_learned_from_an_empty_body_or_count(body_bytes: int, prompt_tokens: int) -> None:
    estimator = FootprintEstimator()
    estimator.learn(body_bytes=body_bytes, prompt_tokens=prompt_tokens)
    assert estimator.tokens_per_byte == pytest.approx(FootprintEstimator.FIRST_TOKENS_PER_BYTE)


def test_the_first_growth_counts_whole_and_later_ones_are_smoothed() -> None:
    estimator = FootprintEstimator()
    assert estimator.growth_tokens(0.0) == 0.0
    estimator.learn_growth(100.0)
    assert estimator.growth_tokens(0.0) == 100.0
    estimator.learn_growth(200.0)
    assert estimator.growth_tokens(0.0) == pytest.approx(110.0)


def test_a_compacted_history_is_no_growth() -> None:
    estimator = FootprintEstimator()
    estimator.learn_growth(100.0)
    estimator.learn_growth(-5_000.0)
    assert estimator.growth_tokens(0.0) == 100.0
