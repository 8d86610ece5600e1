"""What a gateway's metrics say about its gates: what can never be, and what each tenant is served."""

from collections.abc import Mapping

from tests.replicas.cluster import Samples

MOST_OFF = 0.05
"""How far a share may be from the one that is due."""
ENOUGH_S = 60.0
"""Shares of a shorter time say nothing."""
MOST_GAP_S = 3.0
"""A longer time between two looks is left out."""


def impossible(samples: Samples) -> list[str]:
    """What no gate may ever report."""
    found = [f"{name} is {value:g}" for (name, _), value in samples.items() if value < 0 and name in _COUNTS]
    of_tenants = _by(samples, "concur_tenant_active_sessions", "engine")
    for engine, count in _active(samples).items():
        if count != of_tenants.get(engine, 0.0):
            found.append(f"{count:g} sessions have places at {engine}, but {of_tenants.get(engine, 0.0):g} by tenant")
    return found


def crowded(samples: Samples) -> list[str]:
    """Gates with more sessions than places. This may be so for a moment, when a gateway takes over what others have
    admitted, or a window shrinks.
    """
    windows = _by(samples, "concur_window_sessions", "engine")
    return [
        f"{count:g} sessions have {windows[engine]:g} places at {engine}"
        for engine, count in _active(samples).items()
        if count > windows.get(engine, count)
    ]


_COUNTS = frozenset(
    {"concur_sessions", "concur_held_requests", "concur_in_flight_requests", "concur_tenant_waiting_sessions"}
)


class Shares:
    """What tenants are served at each engine while all of them wait there, in tokens as fair sharing weights them. A
    tenant for which nothing waits has all that it asks for.
    """

    def __init__(self, weights: Mapping[str, float]) -> None:
        self._weights = weights
        self._last: dict[str, tuple[float, Samples]] = {}
        self._served: dict[str, float] = dict.fromkeys(weights, 0.0)
        self.seconds = 0.0
        """How long all tenants waited, added up over the engines."""

    def add(self, gate: str, at: float, samples: Samples) -> None:
        """Look at a gateway; `gate` names its process."""
        since, earlier = self._last.get(gate, (at, samples))
        self._last[gate] = at, samples
        if not 0 < at - since <= MOST_GAP_S:
            return
        for engine in _by(samples, "concur_window_sessions", "engine"):
            if all(_waiting(look, engine, tenant) for look in (earlier, samples) for tenant in self._weights):
                served = {t: _served(samples, engine, t) - _served(earlier, engine, t) for t in self._weights}
                if min(served.values()) >= 0:
                    for tenant, tokens in served.items():
                        self._served[tenant] += tokens
                    self.seconds += at - since

    def forget(self) -> None:
        """The next look is the first one: what happens meanwhile does not count."""
        self._last.clear()

    @property
    def shares(self) -> dict[str, float]:
        """The part of the weighted tokens that each tenant was served."""
        total = max(1.0, sum(self._served.values()))
        return {tenant: self._served[tenant] / total for tenant in sorted(self._weights)}

    @property
    def due(self) -> dict[str, float]:
        """The part of each tenant by its weight."""
        total = sum(self._weights.values())
        return {tenant: self._weights[tenant] / total for tenant in sorted(self._weights)}

    @property
    def is_enough(self) -> bool:
        """Whether all tenants waited for long enough to judge."""
        return self.seconds >= ENOUGH_S

    @property
    def unfair(self) -> list[str]:
        """The tenants whose share is too far from the one that is due."""
        due = self.due
        return [
            f"{tenant} was served {share:.1%} instead of {due[tenant]:.1%}"
            for tenant, share in self.shares.items()
            if self.is_enough and abs(share - due[tenant]) > MOST_OFF
        ]


def _active(samples: Samples) -> dict[str, float]:
    return _by(samples, "concur_sessions", "engine", state="active")


def _by(samples: Samples, wanted: str, label: str, **others: str) -> dict[str, float]:
    """Sums of a metric by one label, over the series that have all `others`."""
    sums: dict[str, float] = {}
    for (name, labels), value in samples.items():
        if name == wanted and others.items() <= set(labels):
            key = dict(labels)[label]
            sums[key] = sums.get(key, 0.0) + value
    return sums


def _waiting(samples: Samples, engine: str, tenant: str) -> float:
    return samples.get(("concur_tenant_waiting_sessions", frozenset({("engine", engine), ("tenant", tenant)})), 0.0)


def _served(samples: Samples, engine: str, tenant: str) -> float:
    return samples.get(
        ("concur_tenant_weighted_tokens_total", frozenset({("engine", engine), ("tenant", tenant)})), 0.0
    )
