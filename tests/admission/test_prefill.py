import pytest

from concur_proxy.admission.prefill import PrefillSpeed


def test_nothing_is_known_before_two_answers() -> None:
    speed = PrefillSpeed()
    assert speed.tokens_s is None
    speed.observe(2_000, 0.5)
    assert speed.tokens_s is None


def test_one_answer_that_no_engine_can_have_computed_does_not_count() -> None:
    speed = PrefillSpeed()
    for tokens, seconds in ((2_000, 0.5), (2_000, 0.0005), (2_000, 0.5), (2_000, 0.6)):
        speed.observe(tokens, seconds)
    assert speed.tokens_s == pytest.approx(4_000, rel=0.01)


def test_the_fastest_answer_tells_and_one_that_had_to_wait_does_not() -> None:
    speed = PrefillSpeed()
    for seconds in (0.5, 20.0, 0.5, 20.0):
        speed.observe(2_000, seconds)
    assert speed.tokens_s == pytest.approx(4_000, rel=0.01)


def test_it_is_slowly_forgotten() -> None:
    speed = PrefillSpeed()
    speed.observe(4_000, 0.5)
    for _ in range(5_000):
        speed.observe(1_000, 1.0)
    assert speed.tokens_s == pytest.approx(1_000, rel=0.1)


@pytest.mark.parametrize(("tokens", "seconds"), [(PrefillSpeed.LEAST_TOKENS - 1, 0.01), (1_000, 0.0), (1_000, -1.0)])
def test_what_cannot_tell_is_not_counted(tokens: int, seconds: float) -> None:
    speed = PrefillSpeed()
    speed.observe(tokens, seconds)
    assert speed.tokens_s is None
