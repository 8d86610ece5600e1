import pytest

from concur_proxy.admission.prefill import PrefillSpeed


def test_nothing_is_known_before_an_answer() -> None:
    assert PrefillSpeed().tokens_s is None


def test_the_fastest_answer_tells_and_one_that_had_to_wait_does_not() -> None:
    speed = PrefillSpeed()
    speed.observe(2_000, 0.5)
    speed.observe(2_000, 20.0)
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
