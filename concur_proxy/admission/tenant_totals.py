"""What each tenant has and was served, for metrics and the state document."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

MOST_SHOWN = 50
"""Tenants that are counted by name. All others are counted together."""
OTHERS = "(others)"
"""The name under which they are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantStanding:
    """One tenant at one engine, or several that are shown together."""

    active: int
    """Sessions with a place."""
    waiting: int
    """Sessions in the queue."""
    served_tokens: int
    """Tokens of prompts and answers so far."""
    weighted_tokens: float = 0.0
    """The same tokens as the order `fair` weights them."""
    weight: float | None = None
    """Its share in comparison with that of other tenants, as its newest session says; None for several tenants."""


def combined(standings: Iterable[Mapping[str, TenantStanding]]) -> dict[str, TenantStanding]:
    """Add up the tenants of several engines. The first are those that were served most, and `OTHERS` is the last."""
    total: dict[str, TenantStanding] = {}
    for standing in standings:
        for name, one in standing.items():
            total[name] = _sum(total[name], one) if name in total else one
    others = total.pop(OTHERS, None)
    ranked = sorted(total.items(), key=lambda entry: (-entry[1].served_tokens, entry[0]))
    for _, one in ranked[MOST_SHOWN:]:
        others = _sum(others, one) if others is not None else one
    shown = dict(ranked[:MOST_SHOWN])
    return shown if others is None else {**shown, OTHERS: replace(others, weight=None)}


def _sum(one: TenantStanding, other: TenantStanding) -> TenantStanding:
    return TenantStanding(
        active=one.active + other.active,
        waiting=one.waiting + other.waiting,
        served_tokens=one.served_tokens + other.served_tokens,
        weighted_tokens=one.weighted_tokens + other.weighted_tokens,
        weight=other.weight,
    )


class TenantTotals:
    """Tokens by tenant. The first `MOST_SHOWN` tenants are counted by name."""

    def __init__(self) -> None:
        self.served: dict[str, int] = {}
        """Tokens of prompts and answers by tenant."""
        self.weighted: dict[str, float] = {}
        """The same tokens, weighted."""
        self.weights: dict[str, float] = {}
        """Weights of the tenants that are counted by name."""

    def meet(self, tenant: str, weight: float) -> None:
        """A session of the tenant is new here."""
        name = self._name(tenant)
        if name != OTHERS:
            self.weights[name] = weight

    def add(self, tenant: str, tokens: int, weighted: float) -> None:
        """The tenant was served this many tokens, which are `weighted` tokens as the order `fair` weights them."""
        name = self._name(tenant)
        self.served[name] += tokens
        self.weighted[name] += weighted

    def grouped(self, numbers: Mapping[str, int]) -> dict[str, int]:
        """Numbers by tenant, under the names that are shown."""
        shown = dict.fromkeys(self.served, 0)
        for tenant, number in numbers.items():
            name = tenant if tenant in shown else OTHERS
            shown[name] = shown.get(name, 0) + number
        return shown

    def _name(self, tenant: str) -> str:
        """The name under which the tenant is counted from now on."""
        name = tenant if tenant in self.served or len(self.served) < MOST_SHOWN else OTHERS
        self.served.setdefault(name, 0)
        self.weighted.setdefault(name, 0.0)
        return name
