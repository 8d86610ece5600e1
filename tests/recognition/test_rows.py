from hypothesis import given
from hypothesis import strategies as st

from concur_proxy.recognition.rows import Link, Row


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=40))
def test_a_row_is_a_list(steps: list[tuple[int, bool]]) -> None:
    row: Row[Link] = Row()
    links, expected = [Link() for _ in range(6)], list[Link]()
    for number, goes in steps:
        link = links[number]
        if link in expected:
            row.remove(link)
            expected.remove(link)
        elif not goes:
            row.add(link)
            expected.append(link)
        assert list(row) == expected
        assert bool(row) == bool(expected)
        assert row.only is (expected[0] if len(expected) == 1 else None)


def test_the_present_element_may_be_removed() -> None:
    row: Row[Link] = Row()
    links = [Link() for _ in range(3)]
    for link in links:
        row.add(link)
    for link in row:
        row.remove(link)
    assert not row
