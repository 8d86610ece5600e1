"""What each tenant was served in a run, and how long it waited."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from concur_proxy.admission.orders.fair import CACHED, COMPUTED, GENERATED
from concur_proxy.lab.simulation.agent import Request

Span = tuple[float, float]
"""A time from one moment to another one, in seconds since the start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """One request that was answered. Times are in seconds since the start."""

    tenant: str
    sent_at: float
    admitted_at: float
    ended_at: float
    tokens: float
    """Weighted as the order `fair` weights them."""


class Portions:
    """Collects the requests of a run. Give `add` to an experiment as its `watch`."""

    def __init__(self) -> None:
        self.served: list[Served] = []

    def add(self, request: Request, ended_at: float) -> None:
        """A request was answered."""
        assert request.admitted_at is not None  # noqa: S101 - it was answered
        computed = request.prompt_tokens - request.cached_tokens
        tokens = COMPUTED * computed + CACHED * request.cached_tokens + GENERATED * request.answer_tokens
        self.served.append(
            Served(
                tenant=request.plan.tenant,
                sent_at=request.sent_at,
                admitted_at=request.admitted_at,
                ended_at=ended_at,
                tokens=tokens,
            )
        )

    def longest_wait_s(self, tenant: str) -> float:
        """The longest wait of a request of this tenant."""
        waits = (each.admitted_at - each.sent_at for each in self.served if each.tenant == tenant)
        return max(waits, default=0.0)

    def longest_turn_s(self) -> float:
        """The longest time of any request from its admission to the end of its answer."""
        return max((each.ended_at - each.admitted_at for each in self.served), default=0.0)

    def contested_s(self, tenants: tuple[str, str]) -> float:
        """Seconds in which requests of both tenants waited."""
        return sum(end - begin for begin, end in self._contested(tenants))

    def shares(self, tenants: tuple[str, str]) -> Mapping[str, float]:
        """The part of the tokens that each of two tenants was served while requests of both waited. A request's tokens
        are spread over the time from its admission to the end of its answer.
        """
        contested = self._contested(tenants)
        tokens: Counter[str] = Counter()
        for each in self.served:
            length = max(each.ended_at - each.admitted_at, 1e-9)
            inside = sum(_overlap((each.admitted_at, each.ended_at), span) for span in contested)
            tokens[each.tenant] += each.tokens * inside / length  # type: ignore[assignment]
        total = max(sum(tokens.values()), 1e-9)
        return {tenant: tokens[tenant] / total for tenant in tenants}

    def _contested(self, tenants: tuple[str, str]) -> list[Span]:
        first, second = (self._waiting(tenant) for tenant in tenants)
        both = ((max(a[0], b[0]), min(a[1], b[1])) for a in first for b in second)
        return [span for span in both if span[0] < span[1]]

    def _waiting(self, tenant: str) -> list[Span]:
        """The times in which a request of the tenant waited, without overlaps."""
        spans: list[Span] = []
        waits = sorted((each.sent_at, each.admitted_at) for each in self.served if each.tenant == tenant)
        for begin, end in waits:
            if spans and begin <= spans[-1][1]:
                spans[-1] = (spans[-1][0], max(spans[-1][1], end))
            elif begin < end:
                spans.append((begin, end))
        return spans


def _overlap(one: Span, other: Span) -> float:
    return max(0.0, min(one[1], other[1]) - max(one[0], other[0]))
