from concur_proxy.admission.gap import Gap
from concur_proxy.admission.lease import FixedLease


def test_a_fixed_lease_learns_nothing() -> None:
    lease = FixedLease(7.0)
    lease.end_gap(lease.begin_gap(Gap.LATER, now=0.0), now=100.0, came_back=True)
    lease.review(now=100.0)
    lease.observe_break_even(100.0)
    lease.begin_with(0.7)
    assert (lease.duration_s(Gap.FIRST), lease.duration_s(Gap.LATER)) == (7.0, 7.0)
    assert (lease.keeps_caches, lease.return_odds(Gap.LATER)) == (True, 1.0)
