from dataclasses import dataclass

import pytest

from concur_proxy.control.options import OptionValue, read_options


@dataclass(frozen=True, slots=True, kw_only=True)
class SomeOptions:
    window: float = 8.0
    strict: bool = False

    def __post_init__(self) -> None:
        if self.window < 1:
            raise ValueError("option window must be 1 or more")


def test_what_is_not_given_keeps_its_default() -> None:
    assert read_options(SomeOptions, {}) == SomeOptions()


@pytest.mark.parametrize("value", [4, 4.0, "4", " 4.0 ", "4e0"])
def test_a_number_may_come_as_text(value: OptionValue) -> None:
    assert read_options(SomeOptions, {"window": value}).window == 4.0


@pytest.mark.parametrize(("value", "truth"), [(True, True), (False, False), ("true", True), ("False", False)])
def test_a_truth_may_come_as_text(value: OptionValue, truth: object) -> None:
    assert read_options(SomeOptions, {"strict": value}).strict is truth


@pytest.mark.parametrize("value", ["many", "", True])
def test_what_is_no_number_is_an_error(value: OptionValue) -> None:
    with pytest.raises(ValueError, match=f"option window must be a number, not {value!r}"):
        read_options(SomeOptions, {"window": value})


@pytest.mark.parametrize("value", ["yes", 1, 0.0])
def test_what_is_no_truth_is_an_error(value: OptionValue) -> None:
    with pytest.raises(ValueError, match="option strict must be true or false"):
        read_options(SomeOptions, {"strict": value})


def test_a_misspelt_option_is_an_error_that_tells_the_mend() -> None:
    with pytest.raises(ValueError, match=r"the law has no option 'windov': did you mean window\?"):
        read_options(SomeOptions, {"windov": 4})
    with pytest.raises(ValueError, match="the law has no option 'x': it knows window, strict"):
        read_options(SomeOptions, {"x": 4})


def test_the_laws_own_rules_apply() -> None:
    with pytest.raises(ValueError, match="window must be 1 or more"):
        read_options(SomeOptions, {"window": 0})
