"""What each tenant was served, for metrics."""

from collections.abc import Mapping
from dataclasses import dataclass

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


class TenantTotals:
    """Tokens by tenant. The first `MOST_SHOWN` tenants are counted by name."""

    def __init__(self) -> None:
        self.served: dict[str, int] = {}
        """Tokens of prompts and answers by tenant."""

    def meet(self, tenant: str) -> str:
        """The name under which the tenant is counted from now on."""
        name = tenant if tenant in self.served or len(self.served) < MOST_SHOWN else OTHERS
        self.served.setdefault(name, 0)
        return name

    def add(self, tenant: str, tokens: int) -> None:
        """The tenant was served this many tokens."""
        self.served[self.meet(tenant)] += tokens

    def grouped(self, numbers: Mapping[str, int]) -> dict[str, int]:
        """Numbers by tenant, under the names that are shown."""
        shown = dict.fromkeys(self.served, 0)
        for tenant, number in numbers.items():
            name = tenant if tenant in shown else OTHERS
            shown[name] = shown.get(name, 0) + number
        return shown
