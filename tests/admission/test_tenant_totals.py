from dataclasses import replace

from concur_proxy.admission.arrival import Answered, Arrival
from concur_proxy.admission.gate import SessionGate
from concur_proxy.admission.gate_state import GateOptions
from concur_proxy.admission.lease import FixedLease
from concur_proxy.admission.outcome import Outcome
from concur_proxy.admission.tenant_totals import MOST_SHOWN, OTHERS, TenantStanding, TenantTotals, combined
from concur_proxy.recognition.whereabouts import Whereabouts


def test_tenants_beyond_the_first_are_counted_together() -> None:
    totals = TenantTotals()
    for number in range(MOST_SHOWN + 7):
        totals.add(f"t{number}", 10, 4.5)
    assert len(totals.served) == MOST_SHOWN + 1
    assert totals.served["t0"] == 10
    assert (totals.served[OTHERS], totals.weighted[OTHERS]) == (70, 31.5)
    assert totals.grouped({"t0": 2, f"t{MOST_SHOWN}": 3, "new": 4})[OTHERS] == 7


def test_a_gate_says_what_each_tenant_has() -> None:
    gate = SessionGate(options=GateOptions(work_conserving=False), lease=FixedLease(9.0), window=1.0)
    tickets = [
        gate.arrive(Whereabouts(session=tenant), Arrival(key=tenant, tenant=tenant, hold_s=9.0), now=0.0)[0]
        for tenant in ("a", "b")
    ]
    gate.finish(
        tickets[0], Answered(prompt_tokens=70, cached_tokens=20, completion_tokens=7, first_token_s=0.1), now=1.0
    )
    assert gate.tenants == {
        "a": TenantStanding(active=1, waiting=0, served_tokens=77, weighted_tokens=66.0, weight=1.0),
        "b": TenantStanding(active=0, waiting=1, served_tokens=0, weight=1.0),
    }


def test_a_session_from_another_gate_brings_its_tenant() -> None:
    one, other = (
        SessionGate(options=GateOptions(work_conserving=False), lease=FixedLease(9.0), window=1.0) for _ in range(2)
    )
    tickets = [
        one.arrive(Whereabouts(session=key), Arrival(key=key, tenant=key, weight=3.0, hold_s=9.0), now=0.0)[0]
        for key in ("a", "b")
    ]
    one.handover.part_with(tickets[1].session, "waited")
    other.handover.adopt(tickets[1].session, 1.0)
    assert other.tenants == {"b": TenantStanding(active=1, waiting=0, served_tokens=0, weight=3.0)}


def test_the_tenants_of_several_engines_are_added_up() -> None:
    def standing(tokens: int, weight: float | None = 2.0) -> TenantStanding:
        return TenantStanding(active=1, waiting=2, served_tokens=tokens, weighted_tokens=tokens / 2, weight=weight)

    first = {f"a{number:02}": standing(number + 1) for number in range(MOST_SHOWN)}
    second = {"a07": standing(1_000, 3.0), "new": standing(500), OTHERS: standing(40, None)}
    together = combined([first, second])
    assert list(together)[:3] == ["a07", "new", "a49"]
    assert list(together)[-2:] == ["a01", OTHERS]
    assert together["a07"] == replace(standing(1_008, 3.0), active=2, waiting=4)
    assert together[OTHERS] == replace(standing(41, None), active=2, waiting=4)
    assert combined([]) == {}


def test_a_queue_that_one_tenant_has_filled_has_room_for_another() -> None:
    options = GateOptions(work_conserving=False, max_waiting_sessions=10)
    gate = SessionGate(options=options, lease=FixedLease(9.0), window=1.0)

    def refused(key: str, tenant: str) -> bool:
        arrival = Arrival(key=key, tenant=tenant, hold_s=9.0)
        return gate.arrive(Whereabouts(session=key), arrival, now=0.0)[0].outcome is Outcome.QUEUE_FULL

    assert [refused(f"a{number}", "a") for number in range(13)] == [False] * 11 + [True] * 2
    assert [refused(f"b{number}", "b") for number in range(6)] == [False] * 5 + [True]
    assert [refused(f"c{number}", "c") for number in range(4)] == [False] * 3 + [True]
    assert refused("a13", "a")
