import pytest

from concur_proxy.admission.estimates import FootprintEstimator, PrefillSpeed


def test_before_any_count_more_tokens_are_assumed_than_english_has() -> None:
    assert FootprintEstimator().estimate(400) == pytest.approx(160.0)


def test_a_long_request_tells_more_than_many_short_ones() -> None:
    estimator = FootprintEstimator()
    for _ in range(5):
        estimator.learn(text_bytes=60, prompt_tokens=10)
    assert 0.3 < estimator.tokens_per_byte < 0.4
    estimator.learn(text_bytes=40_000, prompt_tokens=8_000)
    assert estimator.tokens_per_byte == pytest.approx(0.2, abs=0.02)


def test_the_ratio_converges_to_what_the_engine_counts() -> None:
    estimator = FootprintEstimator()
    for _ in range(100):
        estimator.learn(text_bytes=1_000, prompt_tokens=500)
    assert estimator.estimate(1_000) == pytest.approx(500.0, rel=1e-3)


@pytest.mark.parametrize(("body_bytes", "prompt_tokens"), [(0, 100), (100, 0)])
def test_nothing_is_learned_from_an_empty_body_or_count(body_bytes: int, prompt_tokens: int) -> None:
    estimator = FootprintEstimator()
    estimator.learn(text_bytes=body_bytes, prompt_tokens=prompt_tokens)
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


def test_nothing_is_known_before_two_answers() -> None:
    speed = PrefillSpeed()
    assert speed.tokens_s is None
    speed.observe(2_000, 0.5, was_alone=True)
    assert speed.tokens_s is None


def test_one_answer_that_no_engine_can_have_computed_does_not_count() -> None:
    speed = PrefillSpeed()
    for tokens, seconds in ((2_000, 0.5), (2_000, 0.0005), (2_000, 0.5), (2_000, 0.6)):
        speed.observe(tokens, seconds, was_alone=True)
    assert speed.tokens_s == pytest.approx(4_000, rel=0.01)


def test_the_fastest_answer_tells_and_one_that_had_to_wait_does_not() -> None:
    speed = PrefillSpeed()
    for seconds in (0.5, 20.0, 0.5, 20.0):
        speed.observe(2_000, seconds, was_alone=True)
    assert speed.tokens_s == pytest.approx(4_000, rel=0.01)


def test_it_is_slowly_forgotten() -> None:
    speed = PrefillSpeed()
    speed.observe(4_000, 0.5, was_alone=True)
    for _ in range(5_000):
        speed.observe(1_000, 1.0, was_alone=True)
    assert speed.tokens_s == pytest.approx(1_000, rel=0.1)


def test_answers_that_may_have_waited_do_not_make_it_forget() -> None:
    speed = PrefillSpeed()
    for _ in range(2):
        speed.observe(4_000, 0.5, was_alone=False)
    for _ in range(5_000):
        speed.observe(1_000, 1.0, was_alone=False)
    assert speed.tokens_s == 8_000


@pytest.mark.parametrize(("tokens", "seconds"), [(PrefillSpeed.LEAST_TOKENS - 1, 0.01), (1_000, 0.0), (1_000, -1.0)])
def test_what_cannot_tell_is_not_counted(tokens: int, seconds: float) -> None:
    speed = PrefillSpeed()
    speed.observe(tokens, seconds, was_alone=True)
    assert speed.tokens_s is None


def test_what_unknown_references_stand_for_is_learned() -> None:
    estimator = FootprintEstimator()
    assert estimator.reference_tokens == FootprintEstimator.FIRST_REFERENCE_TOKENS
    estimator.learn_reference(20_000)
    assert estimator.reference_tokens == 20_000
    estimator.learn_reference(-5)
    assert estimator.reference_tokens == pytest.approx(18_000)
