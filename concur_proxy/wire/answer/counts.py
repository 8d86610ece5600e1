"""Token counts in answers. Engines, and proxies in front of them, write whatever they like there."""

import json
from typing import Any, TypeVar

import msgspec

UNREADABLE = -1
"""A count that is not a whole number. Like every count that cannot be true, it is dropped and counted later."""

_NO_JSON = (b"NaN", b"Infinity")
"""Python's json writes these, but they are no JSON."""
_OUT_OF_RANGE = "out of range"
"""In the decoder's errors for numbers such as 1e400."""
MAX_DIGITS = 20
MAX_BUILT_BYTES = 64 * 1024
"""Larger data is not read with Python's json, which takes up to 200 ms for each megabyte."""

T = TypeVar("T")


def count_of(value: object) -> int | None:
    """Return the count that an answer reports; None if it is absent or null, `UNREADABLE` if it is no whole number."""
    if value is None or type(value) is int:
        return value
    return UNREADABLE


def cached_in(details: object) -> int | None:
    """Return the cached tokens of an OpenAI-style `..._tokens_details`."""
    return count_of(details.get("cached_tokens") if isinstance(details, dict) else details)


def total_of(*counts: int | None) -> int:
    """Return the sum; `UNREADABLE` if one of the counts cannot be true."""
    present = [count for count in counts if count is not None]
    return UNREADABLE if any(count < 0 for count in present) else sum(present)


def decode(decoder: "msgspec.json.Decoder[T]", data: bytes) -> T | None:
    """Decode an answer or an event; None if it has another shape. NaN and numbers of any size are accepted."""
    try:
        return decoder.decode(data)
    except UnicodeDecodeError:  # raised for texts that are decoded, and no DecodeError
        return None
    except (msgspec.DecodeError, RecursionError) as error:
        if len(data) > MAX_BUILT_BYTES:
            return None
        if _OUT_OF_RANGE not in str(error) and not any(word in data for word in _NO_JSON):
            return None
    try:
        value: Any = json.loads(data, parse_int=_whole)
        return msgspec.convert(value, decoder.type)
    except (ValueError, RecursionError):  # `ValueError` includes errors of json and msgspec
        return None


def _whole(digits: str) -> int:
    return int(digits) if len(digits) <= MAX_DIGITS else UNREADABLE
