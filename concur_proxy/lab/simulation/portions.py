"""What each tenant was served in a run, and how long it waited."""

from dataclasses import dataclass

from concur_proxy.admission.orders.fair import weighted
from concur_proxy.lab.simulation.agent import Request

Span = tuple[float, float]
"""A time from one moment to another one, in seconds since the start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """One request that was answered. Times are in seconds since the start."""

    tenant: str
    session: str
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
        tokens = weighted(computed=computed, cached=request.cached_tokens, generated=request.answer_tokens)
        self.served.append(
            Served(
                tenant=request.plan.tenant,
                session=request.plan.family or request.plan.name,
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

    def first_end_s(self, tenant: str) -> float:
        """When the tenant's first session ended. Until then, all its sessions had work."""
        ends: dict[str, float] = {}
        for each in self.served:
            if each.tenant == tenant:
                ends[each.session] = max(each.ended_at, ends.get(each.session, 0.0))
        return min(ends.values(), default=0.0)

    def waiting_s(self, tenant: str, during: Span) -> float:
        """Seconds of this time in which a request of the tenant waited."""
        return sum(_overlap(span, during) for span in self._waiting(tenant))

    def shares(self, during: Span) -> dict[str, float]:
        """The part of the tokens of this time that each tenant was served. A request's tokens are spread over the time
        from its admission to the end of its answer.
        """
        tokens: dict[str, float] = {}
        for each in self.served:
            length = max(each.ended_at - each.admitted_at, 1e-9)
            inside = _overlap((each.admitted_at, each.ended_at), during) / length
            tokens[each.tenant] = tokens.get(each.tenant, 0.0) + each.tokens * inside
        total = max(sum(tokens.values()), 1e-9)
        return {tenant: served / total for tenant, served in tokens.items()}

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
