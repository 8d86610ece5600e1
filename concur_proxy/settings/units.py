"""The types of settings with a unit: `5m` is valid wherever seconds are, and `64k` wherever bytes or tokens are."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import BeforeValidator, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from concur_proxy.control.quantities import SIZE, TIME_SPAN, seconds, size

_NUMBER = r"[0-9]+(?:\.[0-9]+)?"


@dataclass(frozen=True, slots=True)
class OrText:
    """Adds to a number's JSON schema what a text may be in its place. The bounds of the number stay."""

    pattern: str

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        number = handler(core)
        text = {"type": "string", "minLength": 1, "pattern": f"^({_NUMBER}|{self.pattern})$"}
        return {"anyOf": [*number.get("anyOf", [number]), text]}


def _seconds(value: object) -> object:
    return seconds(value) if isinstance(value, str) else value


def _size(value: object) -> object:
    return size(value) if isinstance(value, str) else value


OrTime, OrSize = OrText(TIME_SPAN), OrText(SIZE)
Seconds = Annotated[float, BeforeValidator(_seconds), OrTime]
"""Seconds, also written as 90s, 5m or 1h30m."""
Size = Annotated[int, BeforeValidator(_size), OrSize]
"""Bytes or tokens, also written as 64k, 200M or 1Gi."""
