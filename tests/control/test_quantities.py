import math
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concur_proxy.control.quantities import seconds, size


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("300", 300),
        (" 0.5 ", 0.5),
        ("1e3", 1000),
        ("90s", 90),
        ("5m", 300),
        ("1h30m", 5400),
        ("1d", 86_400),
        ("2d1h1m1s1ms", 2 * 86_400 + 3661.001),
        ("1.5h", 5400),
        ("500ms", 0.5),
        ("0s", 0),
    ],
)
def test_a_time_span_is_seconds(text: str, value: float) -> None:
    assert seconds(text) == value


@pytest.mark.parametrize(
    "text", ["", "long", "m", "5M", "5 m", "30m1h", "5m5m", "1h-5m", "-5m", "1_0m", "5min", "\u0665m"]
)
def test_what_is_no_time_span_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="must be a number of seconds, or a time such as 90s, 5m or 1h30m"):
        seconds(text)


@pytest.mark.parametrize("text", ["inf", "nan", "1e999"])
def test_a_time_ends(text: str) -> None:
    with pytest.raises(ValueError, match="must be a finite number"):
        seconds(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("65536", 65_536),
        (" -1 ", -1),
        ("64k", 64_000),
        ("64K", 64_000),
        ("200M", 200_000_000),
        ("1.5M", 1_500_000),
        ("1Gi", 1 << 30),
        ("0.5Ki", 512),
        ("2T", 2 * 10**12),
    ],
)
def test_a_size_is_a_whole_number(text: str, value: int) -> None:
    assert size(text) == value


@pytest.mark.parametrize("text", ["", "k", "much", "64kb", "200m", "1 Gi", "1gi", "-1k", "1.0", "1e3", "\u0665"])
def test_what_is_no_size_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="must be a whole number, or a size such as 64k, 200M or 1Gi"):
        size(text)


def test_a_part_of_a_byte_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"must be a whole number, and 0\.0001k is 0\.1"):
        size("0.0001k")


@given(st.tuples(*[st.integers(0, 999)] * 5).filter(any))
def test_a_span_is_the_sum_of_its_parts(amounts: tuple[int, ...]) -> None:
    parts = zip(amounts, ("d", "h", "m", "s", "ms"), (86_400_000, 3_600_000, 60_000, 1000, 1), strict=True)
    given_parts = [(f"{amount}{unit}", amount * each) for amount, unit, each in parts if amount]
    assert seconds("".join(text for text, _ in given_parts)) == sum(each for _, each in given_parts) / 1000


@given(st.text(max_size=8))
def test_any_other_text_is_a_value_error(text: str) -> None:
    for read in (seconds, size):
        with suppress(ValueError):
            assert math.isfinite(read(text))
