import pytest

from concur_proxy.engines.peak_rates import (
    LEAST_TOKENS,
    PEAK_KEPT,
    PREFILL_SPAN_S,
    RELOAD_SPAN_S,
    PrefillRate,
    ReloadRate,
)


def test_the_prefill_rate_is_the_highest_of_a_span_and_fades() -> None:
    rate = PrefillRate()
    # a prompt of 6,000 tokens is counted at once and computed for 6 s
    for second in range(60):
        rate.observe(6_000.0 if second % 6 == 0 else 0.0, 1.0)
        # so a span with a prompt shows at most what the prompt is in that time
        assert rate.peak is None or rate.peak <= 6_000 / PREFILL_SPAN_S
    busy = rate.peak
    assert busy is not None
    assert busy >= 1_000
    for _ in range(100):
        rate.observe(0.0, 1.0)
    assert rate.peak == pytest.approx(busy * PEAK_KEPT**100, rel=0.05)


@pytest.mark.parametrize(("tokens", "seconds"), [(LEAST_TOKENS - 1.0, 0.001), (1_000.0, 0.0)])
def test_too_few_tokens_or_no_time_tell_no_rate(tokens: float, seconds: float) -> None:
    rate = PrefillRate()
    rate.observe_requests(tokens, seconds)
    assert rate.peak is None


def test_the_rate_of_reloading_is_the_highest_of_a_span_and_fades() -> None:
    rate = ReloadRate()
    assert rate.peak is None
    for tokens in (0.0, 30_000.0, 10_000.0, 0.0):
        rate.observe(tokens, RELOAD_SPAN_S / 2)
    assert rate.peak == pytest.approx(40_000 / RELOAD_SPAN_S, rel=0.01)
    for _ in range(100):
        rate.observe(0.0, 1.0)
    assert rate.peak == pytest.approx(40_000 / RELOAD_SPAN_S * PEAK_KEPT**101, rel=0.01)
