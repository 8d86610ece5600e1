"""One engine whose metrics are on several pages, such as a router in front of several servers.

All servers behind one URL are one engine: the gateway cannot choose between them. What their pages say is combined as
if they were data-parallel ranks. A disaggregated pair is different, because each request visits both sides:

- A prompt is computed by the prefill side, and only its prefix cache saves that. The decode side gets the context from
  there, and would count every transferred token as looked up, too. So hits, look-ups, evictions, the prefill rate and
  restarts are those of the prefill side alone.
- A request is in one of the two queues or batches at a time, so running and waiting requests add up.
- A context needs room on both sides, so the capacity is that of the smaller one, and KV usage is that of the fullest
  server.
- Either side can preempt.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from concur_proxy.engines.address import is_server_url
from concur_proxy.engines.sample import MIN_QUERIED_TOKENS, REQUIRED_SIGNALS, EngineSample, IntervalRates


class Role(Enum):
    """What the server of a page does with a request. The values are what follows `#` in the setting."""

    WHOLE = ""
    """All of it."""
    PREFILL = "prefill"
    """It computes the prompt."""
    DECODE = "decode"
    """It generates the answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsPage:
    """Where metrics of an engine are."""

    url: str
    """Of the page itself, such as `http://host:8000/metrics`."""
    role: Role = Role.WHOLE


@dataclass(frozen=True, slots=True, kw_only=True)
class PageReading:
    """What one page said."""

    role: Role
    rates: IntervalRates
    sample: EngineSample


def parse_page(text: str) -> MetricsPage:
    """Read the URL of a page with its role, as in `http://host:8000/metrics#prefill`. Raises `ValueError`."""
    url, mark, role = text.partition("#")
    place, _, query = url.partition("?")
    if not (is_server_url(place) and query.isascii() and query.isprintable() and " " not in query):
        raise ValueError("must be the URL of a page of metrics in ASCII, as http://host:8000/metrics, with no user")
    if mark and role not in {Role.PREFILL.value, Role.DECODE.value}:
        raise ValueError("what follows # must be prefill or decode")
    return MetricsPage(url=url, role=Role(role))


def roles_problem(roles: Iterable[Role]) -> str | None:
    """Why the pages of one engine cannot have these roles; None if they can."""
    found = set(roles)
    if found in ({Role.WHOLE}, {Role.PREFILL, Role.DECODE}):
        return None
    return "give every page of an engine a role, with #prefill at least once and #decode at least once, or none"


def combine(readings: Sequence[PageReading]) -> tuple[IntervalRates, EngineSample]:
    """The rates and the sample of the engine. `readings` has at least one of each side."""
    if len(readings) == 1:
        return readings[0].rates, readings[0].sample
    # with data-parallel ranks, some pages have nothing about this one
    readings = [each for each in readings if _says_anything(each.sample)] or readings
    computing = [each for each in readings if each.role is not Role.DECODE] or readings
    decoding = [each for each in readings if each.role is Role.DECODE]
    capacity, smaller = _capacity([side for side in (computing, decoding) if side])
    hits = _sum(computing, lambda rates: rates.hit_tokens)
    prefilled = _sum(computing, lambda rates: rates.prefilled_tokens)
    rates = IntervalRates(
        now=max(each.rates.now for each in readings),
        interval_s=_highest(readings, lambda rates: rates.interval_s),
        kv_usage=_highest(readings, lambda rates: rates.kv_usage),
        hit_rate=_hit_rate(hits, prefilled),
        preemptions=_sum(readings, lambda rates: rates.preemptions),
        evicted_tokens=_sum(computing, lambda rates: rates.evicted_tokens),
        running=_whole(readings, lambda rates: rates.running),
        waiting=_whole(readings, lambda rates: rates.waiting),
        capacity_tokens=capacity,
        hit_tokens=hits,
        reloaded_tokens=_sum(computing, lambda rates: rates.reloaded_tokens),
        reload_tokens_s=_sum(computing, lambda rates: rates.reload_tokens_s),
        prefilled_tokens=prefilled,
        prefill_tokens_s=_sum(computing, lambda rates: rates.prefill_tokens_s),
        restarted=any(each.rates.restarted for each in computing),
        dropped=sum(each.rates.dropped for each in readings),
    )
    sample = EngineSample(
        at=rates.now,
        kind=computing[0].sample.kind,
        kv_usage=rates.kv_usage,
        running=rates.running,
        waiting=rates.waiting,
        capacity_tokens=capacity,
        capacity_is_derived=any(each.sample.capacity_is_derived for each in smaller),
        prefix_queries=_total(each.sample.prefix_queries for each in computing),
        ranks=sum(each.sample.ranks for each in smaller),
        is_disaggregated=bool(decoding),
    )
    return rates, sample


def _says_anything(sample: EngineSample) -> bool:
    return any(getattr(sample, name) is not None for name in REQUIRED_SIGNALS)


def _capacity(sides: Sequence[Sequence[PageReading]]) -> tuple[int | None, Sequence[PageReading]]:
    """The size of the smaller side, and its pages. The size is None while any page's is unknown."""
    sizes = [[each.rates.capacity_tokens for each in side] for side in sides]
    totals = [None if None in side else sum(size or 0 for size in side) for side in sizes]
    if None in totals:
        return None, sides[0]
    smaller = min(range(len(sides)), key=lambda at: totals[at] or 0)
    return totals[smaller], sides[smaller]


def _hit_rate(hits: float | None, prefilled: float | None) -> float | None:
    if hits is None or prefilled is None or hits + prefilled < MIN_QUERIED_TOKENS:
        return None
    return min(1.0, hits / (hits + prefilled))


_Signal = Callable[[IntervalRates], float | None]


def _sum(readings: Sequence[PageReading], signal: _Signal) -> float | None:
    return _total(signal(each.rates) for each in readings)


def _whole(readings: Sequence[PageReading], signal: _Signal) -> int | None:
    total = _sum(readings, signal)
    return None if total is None else round(total)


def _highest(readings: Sequence[PageReading], signal: _Signal) -> float | None:
    values = (signal(each.rates) for each in readings)
    return max((value for value in values if value is not None), default=None)


def _total(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None
