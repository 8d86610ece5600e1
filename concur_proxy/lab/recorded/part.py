"""The part of a recording that is replayed: all of it, or the busiest time of a long one."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from concur_proxy.lab.engine.engine import EngineShape
from concur_proxy.lab.recorded.request import RecordedRequest

MOST_REQUESTS = 20_000
MOST_GENERATED = 5_000_000
"""A replay takes a second for about 2,000 requests or 300,000 generated tokens."""
SHORTEST_WAIT_S = 0.05
CONTROLLED_SHARE = 0.01
"""If more requests than this share waited longer than SHORTEST_WAIT_S, the recording was made under control."""
MOST_SPANS = 4096
"""Times that are counted apart. A recording with more counts longer ones."""


@dataclass(slots=True)
class _Span:
    requests: int = 0
    prompt_tokens: int = 0
    generated: int = 0

    def add(self, other: "_Span", sign: int = 1) -> None:
        self.requests += sign * other.requests
        self.prompt_tokens += sign * other.prompt_tokens
        self.generated += sign * other.generated

    @property
    def fits(self) -> bool:
        return self.requests <= MOST_REQUESTS and self.generated <= MOST_GENERATED


class LoadOverTime:
    """How busy each minute of a recording was."""

    def __init__(self) -> None:
        self._width_s = 60.0
        self._spans: dict[int, _Span] = {}

    def add(self, request: RecordedRequest) -> None:
        """Count a request."""
        one = _Span(1, request.prompt_tokens, request.completion_tokens)
        self._spans.setdefault(int(request.at // self._width_s), _Span()).add(one)
        while len(self._spans) > MOST_SPANS:
            self._widen()

    def busiest(self) -> tuple[float, float]:
        """The time with the most prompt tokens that is short enough to be replayed: from and until, in seconds."""
        numbers = sorted(self._spans)
        inside, most, best = _Span(), -1, (0, 0)
        left = 0
        for right, number in enumerate(numbers):
            inside.add(self._spans[number])
            while not inside.fits and left < right:
                inside.add(self._spans[numbers[left]], -1)
                left += 1
            if inside.prompt_tokens > most:
                most, best = inside.prompt_tokens, (numbers[left], number)
        return best[0] * self._width_s, (best[1] + 1) * self._width_s

    def _widen(self) -> None:
        self._width_s *= 2
        spans, self._spans = self._spans, {}
        for number, span in spans.items():
            self._spans.setdefault(number // 2, _Span()).add(span)


def part_of(requests: Iterable[RecordedRequest], span: tuple[float, float]) -> list[RecordedRequest]:
    """The requests of this time in the order of their arrival, at most as many as can be replayed."""
    inside: list[RecordedRequest] = []
    generated = 0
    for request in requests:
        if not span[0] <= request.at < span[1]:
            continue
        generated += request.completion_tokens
        if inside and (len(inside) == MOST_REQUESTS or generated > MOST_GENERATED):
            break
        inside.append(request)
    return sorted(inside, key=lambda request: request.at)


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetLoad:
    """The requests of engines that serve the same models."""

    engines: int
    capacity_tokens: int | None
    """The KV cache of each; None if it was not recorded."""
    requests: Sequence[RecordedRequest]
    """In the order of their arrival."""

    def shape(self, capacity_tokens: int) -> EngineShape:
        """Each engine with a cache of this size. Its blocks divide those of the recording."""
        usual = EngineShape().block_tokens
        sizes = {request.content.block_tokens for request in self.requests if request.content is not None}
        return EngineShape(capacity_tokens=capacity_tokens, block_tokens=math.gcd(usual, *sizes))


def was_controlled(requests: Sequence[RecordedRequest]) -> bool:
    """Whether requests waited for admission while they were recorded."""
    waited = sum(request.wait_s > SHORTEST_WAIT_S for request in requests)
    return waited > CONTROLLED_SHARE * len(requests)


def fleets_of(requests: Sequence[RecordedRequest]) -> list[FleetLoad]:
    """Divide the load by engines that have no model in common: sessions do not move between these."""
    groups: dict[str, set[str]] = {}
    for engine, model in sorted({(request.engine, request.model) for request in requests}):
        # an engine and a model are both names of the group that they are in
        joined = groups.get(f"engine {engine}", set()) | groups.get(f"model {model}", set())
        joined |= {f"engine {engine}", f"model {model}"}
        groups.update(dict.fromkeys(joined, joined))
    loads: dict[int, list[RecordedRequest]] = {}
    for request in requests:
        loads.setdefault(id(groups[f"engine {request.engine}"]), []).append(request)
    return [_fleet(load) for load in loads.values()]


def _fleet(requests: Sequence[RecordedRequest]) -> FleetLoad:
    capacities = {request.engine: request.capacity_tokens for request in requests if request.capacity_tokens}
    sizes = sorted(capacities.values(), key=lambda tokens: tokens or 0)
    return FleetLoad(
        engines=len({request.engine for request in requests}),
        capacity_tokens=sizes[len(sizes) // 2] if sizes else None,
        requests=requests,
    )
