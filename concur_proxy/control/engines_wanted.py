"""How many engines the sessions call for, for an autoscaler of the engines."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

FILL = 0.8
"""An engine is given up only if the others would be filled to at most this share. Otherwise the number would go up and
down with every turn of a session.
"""
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineDemand:
    """What the sessions of one engine need, and what the engine has."""

    active_tokens: float
    """KV cache that the sessions with a place need, their growth included, tokens."""
    waiting_tokens: float
    """KV cache that the sessions that wait for a place will need, their growth included, tokens."""
    active: int
    """Sessions with a place."""
    waiting: int
    """Sessions that wait for a place."""
    usable_tokens: float | None
    """KV cache that sessions may fill, tokens: the window in tokens, else the size of the cache. None: not known."""
    window: float
    """Sessions that may have a place; `inf` for no limit."""
    is_up: bool
    """Whether the engine can be reached."""


def engines_wanted(engines: Iterable[EngineDemand]) -> int | None:
    """The number of engines that the sessions of these engines call for. All of them serve the same model.

        load   = (active_tokens + waiting_tokens of all engines) / (mean usable_tokens)
        wanted = max(ceil(load), min(engines that are up, ceil(load / 0.8)))

    While a session waits, it is at least the number of engines that are up. Without a session it is 0. If no cache's
    size is known, sessions and the mean window in sessions take the place of tokens. If that is not known either, None.
    """
    pool = list(engines)
    if not any(each.active or each.waiting for each in pool):
        return 0
    load = _load(pool)
    if load is None:
        return None
    up = sum(each.is_up for each in pool)
    wanted = max(1, _ceil(load), min(up, _ceil(load / FILL)))
    return max(wanted, up) if any(each.waiting for each in pool) else wanted


def _load(pool: list[EngineDemand]) -> float | None:
    """The demand in engines. A fraction means that the last engine is not full."""
    usable = [each.usable_tokens for each in pool if each.usable_tokens]
    if usable:
        return sum(each.active_tokens + each.waiting_tokens for each in pool) * len(usable) / sum(usable)
    windows = [each.window for each in pool if each.window < math.inf]
    if windows:
        return sum(each.active + each.waiting for each in pool) * len(windows) / sum(windows)
    return None


def _ceil(load: float) -> int:
    return math.ceil(load - _ROUNDING)
