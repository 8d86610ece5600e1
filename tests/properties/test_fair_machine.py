"""No tenant starves: whatever has happened at a gate, and while others go on without end, a waiting session is admitted
after a bounded number of turns. And no place stays free while a session waits.
"""

from hypothesis import given, settings
from hypothesis import strategies as st

from concur_proxy.admission.arrival import Answered, Arrival
from concur_proxy.admission.gate import SessionGate
from concur_proxy.admission.gate_state import GateOptions
from concur_proxy.admission.lease import FixedLease
from concur_proxy.admission.ticket import Ticket
from concur_proxy.recognition.whereabouts import Whereabouts

WEIGHTS = {"a": 1.0, "b": 1.0, "c": 4.0}
TURN_S = 1.0


class Crowd:
    """Sessions that send their next request as soon as the last one is answered, and never end."""

    def __init__(self, window: int) -> None:
        options = GateOptions(work_conserving=False, session_ttl_s=1e9)
        self.gate = SessionGate(options=options, lease=FixedLease(1e9), window=float(window), engine="e")
        self.window = window
        self.now = 0.0
        self.running: list[Ticket] = []
        self.waits: dict[str, float] = {}
        """When each session began to wait that has not been admitted since."""

    def arrive(self, key: str, tenant: str, priority: int = 0) -> None:
        arrival = Arrival(key=key, body_bytes=400, hold_s=1e9, tenant=tenant, weight=WEIGHTS[tenant], priority=priority)
        self.waits.setdefault(key, self.now)
        self._decided(self.gate.arrive(Whereabouts(session=key), arrival, now=self.now)[1])

    def turn(self, tokens: int) -> None:
        """The request that has run for longest ends, and its session sends the next one."""
        ticket = self.running.pop(0)
        self.now += TURN_S
        answered = Answered(prompt_tokens=tokens, completion_tokens=tokens, cached_tokens=0, first_token_s=0.5)
        self._decided(self.gate.finish(ticket, answered, now=self.now))
        session = ticket.session
        self.arrive(session.key, session.tenant, session.priority)
        assert self.gate.active == self.window or not self.gate.waiting, "a place stays free while a session waits"

    def _decided(self, tickets: list[Ticket]) -> None:
        self.running += tickets
        for ticket in tickets:
            self.waits.pop(ticket.session.key, None)


@settings(max_examples=40, deadline=None)
@given(
    window=st.integers(1, 4),
    flood=st.integers(4, 20),
    late=st.sampled_from(["b", "c"]),
    priority=st.sampled_from([-1, 0, 1]),
    before=st.integers(0, 60),
    sizes=st.lists(st.integers(1, 4_000), min_size=1, max_size=7),
)
def test_a_late_session_is_admitted_in_bounded_time(
    window: int, flood: int, late: str, priority: int, before: int, sizes: list[int]
) -> None:
    crowd = Crowd(window)
    for number in range(flood):
        crowd.arrive(f"a{number}", "a")
    for turn in range(before):
        crowd.turn(sizes[turn % len(sizes)])
    crowd.arrive("late", late, priority)
    began = crowd.now
    # The flood must be served ten times what a place is expected to use, at least a thousand tokens, and at most two
    # of its largest turns more.
    bound = window * (10 * (1_000 + 3 * max(sizes)) / (3 * sum(sizes) / len(sizes)) + 2 * len(sizes) + 2)
    while "late" in crowd.waits:
        crowd.turn(sizes[int(crowd.now) % len(sizes)])
        assert crowd.now - began <= bound, "it starves"


def test_sessions_that_never_end_share_one_place_by_weight() -> None:
    crowd = Crowd(1)
    for number in range(20):
        crowd.arrive(f"a{number}", "a")
    crowd.arrive("c0", "c")
    crowd.arrive("c1", "c")
    turns = {"a": 0, "c": 0}
    for _ in range(1_000):
        turns[crowd.running[0].session.tenant] += 1
        crowd.turn(100)
    assert abs(turns["c"] / 1_000 - 0.8) <= 0.05
