"""The real sizes are those of a hybrid model that reported 320 blocks of 16 tokens and held 463,459 tokens."""

from dataclasses import replace

import pytest

from concur_proxy.engines.capacity import DOUBT, Capacity, CapacityCheck, CapacitySource
from concur_proxy.engines.sample import IntervalRates

REAL, TOLD = 463_459, 5_120
IDLE = IntervalRates(now=0.0, kv_usage=0.0, running=0, waiting=0, capacity_tokens=TOLD, prefilled_tokens=0.0)


def busy(prefilled: float, filled: float, running: int = 1) -> IntervalRates:
    return replace(IDLE, kv_usage=filled / REAL, running=running, prefilled_tokens=prefilled)


def judged(
    check: CapacityCheck, *, is_derived: bool = True, most_tokens: int | None = None, ranks: int = 1
) -> Capacity:
    return check.judge(TOLD, is_derived=is_derived, most_tokens=most_tokens, ranks=ranks)


def observe(check: CapacityCheck, *steps: tuple[IntervalRates, int, int], is_derived: bool = True) -> None:
    """Each step: rates, requests in flight, and the count of those that have ended."""
    for rates, in_flight, answered in steps:
        check.observe(rates, is_derived=is_derived, in_flight=in_flight, answered=answered)


def test_usage_by_the_first_prompt_shows_the_real_size() -> None:
    check = CapacityCheck()
    observe(check, (IDLE, 0, 0), (busy(4_000, 4_000), 1, 0))
    assert judged(check) == Capacity(tokens=REAL, source=CapacitySource.CORRECTED, reported=TOLD)
    assert judged(check).differs


def test_a_prompt_that_is_still_computed_shows_too_much_only_for_a_moment() -> None:
    check = CapacityCheck()
    observe(check, (IDLE, 0, 0), (busy(40_000, 2_000), 1, 0))
    assert judged(check).tokens == 20 * REAL
    observe(check, (busy(0, 40_000), 1, 0))
    assert judged(check).tokens == REAL


def test_one_stretch_that_was_misread_does_not_count() -> None:
    check = CapacityCheck()
    for number, filled in enumerate((4_000, 100, 4_000)):
        observe(check, (IDLE, 0, number), (busy(4_000, filled), 1, number))
    assert judged(check).tokens == REAL


def test_prompts_of_requests_that_have_ended_are_not_counted_as_in_the_cache() -> None:
    check = CapacityCheck()
    observe(check, (IDLE, 0, 0), (busy(8_000, 4_000), 1, 1), (busy(4_000, 4_000), 1, 1))
    assert judged(check).source is CapacitySource.REPORTED


@pytest.mark.parametrize(
    "rates",
    [
        replace(busy(4_000, 4_000), running=2),
        replace(busy(4_000, 4_000), waiting=1),
        replace(busy(4_000, 4_000), prefilled_tokens=None),
        replace(busy(4_000, 4_000), kv_usage=0.0),
        replace(busy(4_000, 4_000), kv_usage=None),
        busy(200, 200),
    ],
)
def test_what_is_not_the_gateways_own_or_too_little_shows_nothing(rates: IntervalRates) -> None:
    check = CapacityCheck()
    observe(check, (IDLE, 0, 0), (rates, 1, 0))
    assert judged(check).source is CapacitySource.REPORTED


def test_a_context_that_the_engine_served_fitted_into_its_cache_if_a_second_answer_says_so() -> None:
    check = CapacityCheck()
    check.answered(30_000)
    assert judged(check).tokens == TOLD
    check.answered(29_000)
    check.answered(10)
    assert judged(check).tokens == 29_000


def test_the_prompts_of_running_requests_show_the_size_while_the_engine_is_never_idle() -> None:
    check = CapacityCheck()
    observe(check, (replace(busy(0, 100_000, running=3), now=1.0, waiting=5), 8, 0))
    for ended, tokens in ((0.4, 40_000), (0.5, 10_000), (1.0, 50_000)):
        check.ended(tokens, first_token_at=0.5)
        assert judged(check).tokens == round(REAL * ended)


def test_a_cache_holds_the_longest_prompt_that_the_engine_accepts_on_each_rank() -> None:
    assert judged(CapacityCheck(), most_tokens=131_072).tokens == 131_072
    assert judged(CapacityCheck(), most_tokens=131_072, ranks=2).tokens == 262_144
    assert judged(CapacityCheck(), most_tokens=int(TOLD * DOUBT)).tokens == TOLD


def test_a_size_in_tokens_is_believed() -> None:
    check = CapacityCheck()
    observe(check, (IDLE, 0, 0), (busy(4_000, 4_000), 1, 0), is_derived=False)
    check.answered(30_000)
    check.answered(30_000)
    told = judged(check, is_derived=False, most_tokens=131_072)
    assert told == Capacity(tokens=TOLD, source=CapacitySource.REPORTED, reported=TOLD)
    assert not told.differs


def test_the_operators_number_replaces_all() -> None:
    check = CapacityCheck(9_000)
    check.answered(30_000)
    check.answered(30_000)
    assert judged(check) == Capacity(tokens=9_000, source=CapacitySource.SET, reported=TOLD)
    unknown = check.judge(None, is_derived=False, most_tokens=None, ranks=1)
    assert (unknown.tokens, unknown.differs) == (9_000, False)


def test_an_unknown_size_stays_unknown() -> None:
    unknown = CapacityCheck().judge(None, is_derived=False, most_tokens=131_072, ranks=1)
    assert unknown == Capacity(tokens=None, source=CapacitySource.UNKNOWN, reported=None)


def test_a_restart_forgets_the_evidence() -> None:
    check = CapacityCheck()
    check.answered(30_000)
    check.answered(30_000)
    observe(check, (replace(IDLE, restarted=True), 0, 0))
    assert judged(check).tokens == TOLD
