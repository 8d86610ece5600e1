"""What a gate knows, and the questions that can be put to it."""

from collections import Counter
from dataclasses import dataclass
from itertools import islice

from concur_proxy.admission.accounts import TokenAccounts
from concur_proxy.admission.drain import DrainRate
from concur_proxy.admission.holds import Holds
from concur_proxy.admission.lease import Lease
from concur_proxy.admission.limits import Limits
from concur_proxy.admission.line import WaitingLine
from concur_proxy.admission.numbers import Numbers
from concur_proxy.admission.places import Places
from concur_proxy.admission.session import Session, SessionState
from concur_proxy.admission.snapshot import GateSnapshot
from concur_proxy.admission.table import SessionTable
from concur_proxy.admission.ticket import Ticket
from concur_proxy.control.law import Budget


@dataclass(frozen=True, slots=True, kw_only=True)
class GateOptions:
    """The gate's bounds."""

    max_waiting_sessions: int = 10_000
    """New sessions beyond this many waiting ones are refused. Resuming ones never are: they have work to lose."""
    session_ttl_s: float = 1800.0
    """A session without any request for this long is forgotten."""
    work_conserving: bool = True
    """Admit beyond the window while the engine demonstrably has room."""
    enforcing: bool = True
    """False only observes: everything passes, and `would_hold` counts what would have waited."""


class GateState:
    """The parts of a gate; only the layers above, up to `SessionGate`, change them."""

    def __init__(
        self,
        *,
        options: GateOptions,
        lease: Lease,
        window: float,
        engine: str = "",
        numbers: Numbers | None = None,
    ) -> None:
        self.engine = engine
        self.sessions = SessionTable()
        self.accounts = TokenAccounts()
        self.counters: Counter[tuple[str, str]] = Counter()
        """Events so far by (event, reason): `admit` and `resume` (window, room, lease, claim), `pause` (window, lease,
        client_gone, by_hand, moved), `refuse` (an Outcome's value), `end` (said, answered, idle, or an Outcome's
        value), `would_hold` (window), `move` to another gate (lost, shared, waited)."""
        self._options = options
        self._lease = lease
        self._numbers = Numbers() if numbers is None else numbers
        self._line = WaitingLine()
        self._places = Places()
        self._limits = Limits(
            places=self._places,
            footprints=self.accounts.estimator,
            window=window,
            work_conserving=options.work_conserving,
        )
        self._drain_rate = DrainRate()
        self._holds = Holds()
        self._in_flight = 0
        self._readings = 0
        """How often the engine's gauges have been read."""
        self._lasting = 0
        """Requests in flight that were already in flight at the last reading."""
        self._draining = False
        self._seen_prefill_tokens_s: float | None = None

    @property
    def active(self) -> int:
        """Sessions that hold a place, those included that pause once their answer has ended."""
        return len(self._places)

    @property
    def footprint_tokens(self) -> float:
        """KV cache that these sessions need."""
        return self._places.footprint_tokens

    @property
    def budget(self) -> Budget | None:
        """The window in tokens, if there is one."""
        return self._limits.budget

    @property
    def waiting(self) -> int:
        """Sessions with held requests, but for those that were stopped by hand."""
        return len(self._line)

    def first_new(self) -> Session | None:
        """The first waiting session that was never admitted, or None."""
        return self._line.first_new()

    def first_waiting(self) -> Session | None:
        """The session that is next, or None."""
        return self._line.head()

    @property
    def is_enforcing(self) -> bool:
        """Whether the window holds anybody."""
        return self._options.enforcing

    def is_waiting(self, session: Session) -> bool:
        """Whether the session stands in the line."""
        return session in self._line

    def place_of(self, session: Session) -> int:
        """A waiting session's place in the line, from 1."""
        return self._line.position(session)

    def first_sessions(self, limit: int) -> list[Session]:
        """At most so many sessions: those with places by seniority, those that wait in their order, then others. Costs
        no more however many there are.
        """
        chosen = dict.fromkeys(islice(self._places, limit))
        chosen.update(dict.fromkeys(islice(self._line, limit)))
        chosen.update(dict.fromkeys(islice(self.sessions, 4 * limit)))
        return list(islice(chosen, limit))

    def line(self) -> list[Session]:
        """The waiting sessions in the order of their turn."""
        return list(self._line)

    def position(self, ticket: Ticket) -> int:
        """The held ticket's session's place in the line, from 1."""
        return self._line.position(ticket.session)

    def expected_wait_s(self, position: int, *, now: float) -> float:
        """Seconds until the session at this place will probably be admitted, from the rate at which the line moves."""
        return self._drain_rate.expected_wait_s(position, now=now)

    def snapshot(self) -> GateSnapshot:
        """The present state in numbers; O(1)."""
        budget = self._limits.budget
        return GateSnapshot(
            window=self._limits.window,
            budget_tokens=None if budget is None else budget.tokens,
            active=self.active,
            paused=self.sessions.count(SessionState.PAUSED),
            queued=self.sessions.count(SessionState.QUEUED),
            waiting=self.waiting,
            held=len(self._holds),
            in_flight=self._in_flight,
            lasting=self._lasting,
            footprint_tokens=self._places.footprint_tokens,
            answered_tokens=self.accounts.answered_tokens,
            answering_s=self.accounts.answering_s,
            promised_tokens=self.accounts.promised_tokens,
            told_tokens=self.accounts.told_tokens,
            lost_tokens=self.accounts.lost_tokens,
            prefill_tokens_s=self._prefill_tokens_s,
            lease_s=self._lease.duration_s,
        )

    @property
    def _prefill_tokens_s(self) -> float | None:
        """What the engine can compute in a second. While caches are kept its counters tell too little, and while it is
        busy single answers do.
        """
        return max(self._seen_prefill_tokens_s or 0.0, self.accounts.prefill.tokens_s or 0.0) or None

    def next_deadline(self) -> float | None:
        """When `expire` has something to do without any other event, or None."""
        hold = self._holds.first()
        dormant = self.sessions.longest_dormant()
        times = (
            None if hold is None else hold.deadline,
            None if dormant is None else dormant.idle_since + self._options.session_ttl_s,
            self.next_lapse() if self._line else None,
        )
        return min((time for time in times if time is not None), default=None)

    def next_lapse(self) -> float | None:
        """When the next idle session's lease ends, so that its place may go to a session that waits; None if none is
        idle.
        """
        idle = self._places.longest_idle()
        return None if idle is None else idle.idle_since + self._lease.duration_s
