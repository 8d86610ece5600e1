"""Reads the options of a law, which come from flags, environment variables or a settings file."""

import re
from collections.abc import Mapping
from dataclasses import MISSING, fields
from difflib import get_close_matches
from typing import TypeVar

from concur_proxy.control.faults import Faults, problems_of
from concur_proxy.control.quantities import seconds, size

OptionValue = bool | int | float | str
T = TypeVar("T")


def read_options(kind: type[T], options: Mapping[str, OptionValue]) -> T:
    """An instance of the dataclass `kind` with these options; text is converted to numbers and booleans.

    Raises `Faults` with each unknown name and each invalid value. The messages say how to correct them.
    """
    known = {field.name: field for field in fields(kind)}  # type: ignore[arg-type]
    values: dict[str, object] = {}
    wrong: dict[str, str] = {}
    for name, value in options.items():
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"it knows {', '.join(known) or 'none'}"
            wrong[name] = f"the law has no option {name!r}: {hint}"
            continue
        default = known[name].default
        try:
            values[name] = value if default is MISSING else _coerce(name, value, default)
        except ValueError as error:
            wrong[name] = str(error)
    try:
        read = kind(**values)
    except ValueError as error:
        # a rule about a wrong option was tried with its default
        is_sure = [rule for rule in problems_of(error) if not wrong.keys() & set(re.findall(r"\w+", rule))]
        raise Faults([*wrong.values(), *is_sure]) from error
    if wrong:
        raise Faults(list(wrong.values()))
    return read


def require(rules: Mapping[str, bool]) -> None:
    """Raises `Faults` with the rules that are not met."""
    if problems := [rule for rule, holds in rules.items() if not holds]:
        raise Faults(problems)


def _coerce(name: str, value: OptionValue, default: object) -> OptionValue:
    if isinstance(default, bool):
        if isinstance(value, str) and value.lower() in {"true", "false"}:
            return value.lower() == "true"
        if isinstance(value, bool):
            return value
        raise ValueError(f"option {name} must be true or false, not {value!r}")
    try:
        if isinstance(value, str) and name.endswith("_s"):
            return seconds(value)
        if isinstance(value, str) and name.endswith("_tokens"):
            return float(size(value))
        if not isinstance(value, bool):
            return float(value)
    except ValueError:
        pass
    raise ValueError(f"option {name} must be a number, not {value!r}")
