"""What metrics say about gates: what can never be, and shares of tenants."""

import pytest

from tests.replicas.cluster import Samples
from tests.soak.gates import Shares, crowded, impossible

WEIGHTS = {"large": 1.0, "small": 3.0}


def series(name: str, value: float, **labels: str) -> Samples:
    return {(name, frozenset({"engine": "e", **labels}.items())): value}


def look(*, served: dict[str, float], waiting: float = 1.0) -> Samples:
    """Metrics at a moment when each tenant has been served these tokens."""
    samples = series("concur_window_sessions", 4)
    for tenant, tokens in served.items():
        samples |= series("concur_tenant_weighted_tokens_total", tokens, tenant=tenant)
        samples |= series("concur_tenant_waiting_sessions", waiting, tenant=tenant)
    return samples


def fleet(*, active: float, of_tenants: float) -> Samples:
    return (
        series("concur_window_sessions", 4)
        | series("concur_sessions", active, state="active")
        | series("concur_tenant_active_sessions", of_tenants, tenant="large")
    )


@pytest.mark.parametrize(
    ("samples", "found"),
    [
        (fleet(active=4, of_tenants=4), []),
        (fleet(active=3, of_tenants=2), ["3 sessions have places at e, but 2 by tenant"]),
        (series("concur_held_requests", -1), ["concur_held_requests is -1"]),
    ],
)
def test_what_no_gate_may_report(samples: Samples, found: list[str]) -> None:
    assert impossible(samples) == found


def test_more_sessions_than_places() -> None:
    assert crowded(fleet(active=4, of_tenants=4)) == []
    assert crowded(fleet(active=5, of_tenants=5)) == ["5 sessions have 4 places at e"]


def test_shares_by_weight_are_fair_and_others_are_not() -> None:
    fair, unfair = Shares(WEIGHTS), Shares(WEIGHTS)
    for second in range(100):
        fair.add("gate", second, look(served={"large": second, "small": 3 * second}))
        unfair.add("gate", second, look(served={"large": second, "small": second}))

    assert fair.unfair == []
    assert fair.shares == fair.due == {"large": 0.25, "small": 0.75}
    assert len(unfair.unfair) == 2


def test_time_in_which_not_all_wait_or_nobody_looks_does_not_count() -> None:
    shares = Shares(WEIGHTS)
    shares.add("gate", 0, look(served={"large": 0, "small": 0}))
    shares.add("gate", 1, look(served={"large": 9, "small": 0}, waiting=0))
    shares.add("gate", 9, look(served={"large": 99, "small": 0}))
    shares.add("restarted", 10, look(served={"large": 1, "small": 0}))

    assert (shares.seconds, shares.is_enough) == (0, False)
