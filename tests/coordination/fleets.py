"""Fleets for tests of coordinators."""

from collections.abc import Sequence

from concur_proxy.admission.fleet import Fleet
from concur_proxy.admission.gate import SessionGate
from concur_proxy.admission.gate_state import GateOptions
from concur_proxy.admission.gates import MOST_CONVERSATIONS
from concur_proxy.admission.goal import Goal
from concur_proxy.admission.learned_lease import LearnedLease
from concur_proxy.admission.lease import FixedLease
from concur_proxy.admission.numbering import Numbers


def make_fleet(
    *,
    engines: Sequence[str] = ("a",),
    window: float = 1.0,
    lease_s: float | None = 5.0,
    max_waiting: int = 100,
    after: int = 0,
    most_conversations: int = MOST_CONVERSATIONS,
    goal: Goal = Goal.THROUGHPUT,
    first_token_target_s: float | None = None,
) -> Fleet:
    """A fleet whose gates each have this window, and nothing beyond it; without `lease_s` they learn their leases."""

    def make_gate(engine: str, numbers: Numbers) -> SessionGate:
        options = GateOptions(
            max_waiting_sessions=max_waiting,
            session_ttl_s=100.0,
            goal=goal,
            first_token_target_s=first_token_target_s,
        )
        lease = LearnedLease() if lease_s is None else FixedLease(lease_s)
        return SessionGate(options=options, lease=lease, window=window, engine=engine, numbers=numbers)

    return Fleet(engines=engines, make_gate=make_gate, most_conversations=most_conversations, after=after)
