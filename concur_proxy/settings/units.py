"""The types of settings with a unit: `5m` is valid wherever seconds are, and `64k` wherever bytes or tokens are."""

from typing import Annotated

from pydantic import BeforeValidator, StringConstraints

from concur_proxy.control.quantities import SIZE, TIME_SPAN, seconds, size

TimeText = Annotated[str, StringConstraints(pattern=f"^{TIME_SPAN}$", min_length=2)]
SizeText = Annotated[str, StringConstraints(pattern=f"^{SIZE}$")]
"""Both are for the JSON schema of a configuration file: what a text may be in the place of a number."""


def _seconds(value: object) -> object:
    return seconds(value) if isinstance(value, str) else value


def _size(value: object) -> object:
    return size(value) if isinstance(value, str) else value


Seconds = Annotated[float, BeforeValidator(_seconds, json_schema_input_type=float | TimeText)]
"""Seconds, also written as 90s, 5m or 1h30m."""
Size = Annotated[int, BeforeValidator(_size, json_schema_input_type=int | SizeText)]
"""Bytes or tokens, also written as 64k, 200M or 1Gi."""
