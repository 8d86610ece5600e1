"""Reads the options of a law, which come from flags, environment variables or a settings file."""

from collections.abc import Mapping
from dataclasses import MISSING, fields
from difflib import get_close_matches
from typing import TypeVar

from concur_proxy.control.quantities import seconds, size

OptionValue = bool | int | float | str
T = TypeVar("T")


def read_options(kind: type[T], options: Mapping[str, OptionValue]) -> T:
    """An instance of the dataclass `kind` with these options; text is converted to numbers and booleans.

    Raises `ValueError` for an unknown name or an invalid value. The message says how to correct it.
    """
    known = {field.name: field for field in fields(kind)}  # type: ignore[arg-type]
    values: dict[str, object] = {}
    for name, value in options.items():
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"it knows {', '.join(known) or 'none'}"
            raise ValueError(f"the law has no option {name!r}: {hint}")
        default = known[name].default
        values[name] = value if default is MISSING else _coerce(name, value, default)
    return kind(**values)


def require(rules: Mapping[str, bool]) -> None:
    """Raises `ValueError` with the first rule that is not met."""
    for rule, holds in rules.items():
        if not holds:
            raise ValueError(rule)


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
