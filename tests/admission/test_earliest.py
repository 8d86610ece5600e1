from hypothesis import given
from hypothesis import strategies as st

from concur_proxy.admission.earliest import SLACK, Earliest

KEYS = st.sampled_from("abcdef")
CHANGES = st.lists(st.tuples(KEYS, st.none() | st.integers(0, 9).map(float)), max_size=300)


@given(CHANGES)
def test_the_first_is_the_least_of_all_that_were_put_last(changes: list[tuple[str, float | None]]) -> None:
    earliest = Earliest()
    values: dict[str, float] = {}
    for key, value in changes:
        earliest.put(key, value)
        values = {name: kept for name, kept in values.items() if name != key}
        if value is not None:
            values[key] = value
        assert earliest.first() == min(((kept, name) for name, kept in values.items()), default=None)


@given(CHANGES, st.integers(0, 9))
def test_popping_takes_what_has_come_and_leaves_the_rest(changes: list[tuple[str, float | None]], limit: int) -> None:
    earliest = Earliest()
    for key, value in changes:
        earliest.put(key, value)
    kept = {key: value for key, value in dict(changes).items() if value is not None}
    assert earliest.pop(limit) == {key for key, value in kept.items() if value <= limit}
    rest = [(value, key) for key, value in kept.items() if value > limit]
    assert earliest.first() == min(rest, default=None)
    assert earliest.pop(limit) == set()


def test_outdated_values_do_not_pile_up() -> None:
    earliest = Earliest()
    earliest.put("first", 0.0)
    for number in range(10_000):
        earliest.put("moving", 1.0 + number)
    assert len(earliest._heap) <= 2 * 2 + SLACK + 1
    earliest.put("first", None)
    assert earliest.first() == (10_000.0, "moving")
