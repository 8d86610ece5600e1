"""Reads time spans and sizes as people write them: `90s`, `1h30m`, `64k`, `1Gi`. A plain number is valid too."""

import math
import re
from decimal import Decimal

_SECONDS = {"d": Decimal(86_400), "h": Decimal(3_600), "m": Decimal(60), "s": Decimal(1), "ms": Decimal("0.001")}
_FACTORS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30}

_AMOUNT = r"[0-9]{1,15}(?:\.[0-9]{1,9})?"
TIME_SPAN = rf"({_AMOUNT}d)?({_AMOUNT}h)?({_AMOUNT}m)?({_AMOUNT}s)?({_AMOUNT}ms)?"
"""A time span with units, from the largest unit to the smallest. It also matches the empty text, which is none."""
SIZE = rf"({_AMOUNT})(k|K|M|G|T|Ki|Mi|Gi)"
"""A size with a unit: k, M, G and T are powers of 1,000, and Ki, Mi and Gi of 1,024."""

_TIME_SPAN = re.compile(TIME_SPAN)
_SIZE = re.compile(SIZE)
_PART = re.compile(rf"({_AMOUNT})(ms|[dhms])")


def seconds(text: str) -> float:
    """The seconds of a plain number or a time span. Raises `ValueError` for other texts."""
    text = text.strip()
    try:
        value = float(text)
    except ValueError:
        if not text or not _TIME_SPAN.fullmatch(text):
            raise ValueError("must be a number of seconds, or a time such as 90s, 5m or 1h30m") from None
        return float(sum(Decimal(amount) * _SECONDS[unit] for amount, unit in _PART.findall(text)))
    if not math.isfinite(value):
        raise ValueError("must be a finite number")
    return value


def size(text: str) -> int:
    """The bytes or tokens of a whole number or a size with a unit. Raises `ValueError` for other texts."""
    text = text.strip()
    if re.fullmatch(r"[+-]?[\d_]{1,20}", text, re.ASCII) and not text.endswith("_"):
        return int(text)
    found = _SIZE.fullmatch(text)
    if found is None:
        raise ValueError("must be a whole number, or a size such as 64k, 200M or 1Gi")
    value = Decimal(found[1]) * _FACTORS["k" if found[2] == "K" else found[2]]
    if value != int(value):
        raise ValueError(f"must be a whole number, and {text} is {value.normalize():f}")
    return int(value)
