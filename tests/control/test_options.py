from dataclasses import dataclass

import pytest

from concur_proxy.control.faults import Faults
from concur_proxy.control.options import OptionValue, read_options, require


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruled:
    least: float = 1.0
    most: float = 2.0
    pause_s: float = 5.0
    probe_tokens: float = 100.0

    def __post_init__(self) -> None:
        require({"options must keep least <= most": self.least <= self.most, "pause_s too long": self.pause_s < 600})


def test_everything_that_is_wrong_is_reported_at_once() -> None:
    with pytest.raises(Faults) as caught:
        read_options(Ruled, {"leats": 1, "probe_tokens": "many", "least": 3, "pause_s": 700})
    assert caught.value.problems == (
        "the law has no option 'leats': did you mean least?",
        "option probe_tokens must be a number, not 'many'",
        "options must keep least <= most",
        "pause_s too long",
    )


def test_a_rule_is_not_judged_with_the_default_of_a_wrong_option() -> None:
    with pytest.raises(Faults) as caught:
        read_options(Ruled, {"least": 3, "most": "x"})
    assert caught.value.problems == ("option most must be a number, not 'x'",)


def test_times_and_sizes_can_have_units() -> None:
    read = read_options(Ruled, {"pause_s": "1m", "probe_tokens": "32k"})
    assert (read.pause_s, read.probe_tokens) == (60, 32_000)
