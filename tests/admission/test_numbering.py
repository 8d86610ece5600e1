import pytest

from concur_proxy.admission.numbering import Numbers


def test_numbers_rise_from_where_others_left_off() -> None:
    numbers = Numbers(after=100)
    assert [next(numbers), next(numbers)] == [101, 102]


def test_a_number_from_elsewhere_is_kept_once() -> None:
    numbers = Numbers(after=100)
    assert numbers.take(7) == 7
    assert numbers.take(7) == 101
    assert numbers.take(None) == 102


def test_one_beyond_all_that_were_given_moves_these_on_and_one_among_them_is_not_trusted() -> None:
    numbers = Numbers(after=100)
    assert numbers.take(500) == 500
    assert numbers.take(400) == 501
    assert next(numbers) == 502


@pytest.mark.parametrize("again", [-1, -5])
def test_numbers_below_0_stay_apart(again: int) -> None:
    numbers = Numbers(after=100)
    assert numbers.take(again) == again
    assert numbers.take(again) == again - 1
    assert numbers.take_least() == again - 2
    assert next(numbers) == 101


def test_a_number_below_0_that_comes_back_from_elsewhere_is_not_given_twice() -> None:
    # A gateway remembers the seniority of a session's key, also for the separate session that has another model.
    numbers = Numbers()
    least = numbers.take_least()
    assert numbers.take(least) < least
