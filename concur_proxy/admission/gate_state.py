"""The state of a gate. `Scheduler`, `ManualControl`, `Handover` and `SessionGate` share one `GateState`."""

from collections import Counter
from dataclasses import dataclass

from concur_proxy.admission.accounts import TokenAccounts
from concur_proxy.admission.apart import Apart
from concur_proxy.admission.bounded import Bounded
from concur_proxy.admission.crowd import Crowd
from concur_proxy.admission.gaps import Gaps
from concur_proxy.admission.goal import FirstTokenGoal, Goal
from concur_proxy.admission.lease import Lease
from concur_proxy.admission.limits import Limits
from concur_proxy.admission.numbering import Numbers
from concur_proxy.admission.order import QueueOrder, SharingOrder
from concur_proxy.admission.places import Places
from concur_proxy.admission.resting import Resting
from concur_proxy.admission.session_table import SessionTable
from concur_proxy.admission.tenant_totals import TenantTotals
from concur_proxy.admission.ticket import Holds
from concur_proxy.recognition.tree import ConversationTree


@dataclass(frozen=True, slots=True, kw_only=True)
class GateOptions:
    """A gate's settings."""

    max_waiting_sessions: int = 10_000
    """New sessions are refused while this many wait. Sessions that resume are never refused, because they would lose
    their work.
    """
    session_ttl_s: float = 1800.0
    """A session without any request for this long is forgotten."""
    work_conserving: bool = True
    """Admit sessions beyond the window while the engine's readings show that it has room."""
    enforcing: bool = True
    """False: admit every session, and count in `would_hold` those that would have waited."""
    goal: Goal = Goal.THROUGHPUT
    """What matters most."""
    first_token_target_s: float | None = None
    """The first token should come within so many seconds, waiting included; None: there is no target."""


class GateState:
    """The parts of one gate. The four objects named above change them, and nothing else does. Only `Scheduler` admits,
    refuses, pauses and ends; the others ask it to.
    """

    def __init__(
        self, *, options: GateOptions, lease: Lease, window: float, engine: str, numbers: Numbers, order: QueueOrder
    ) -> None:
        self.engine = engine
        self.options = options
        self.sessions = SessionTable()
        self.goal = FirstTokenGoal(options.goal, options.first_token_target_s)
        self.order = Bounded(order, self.sessions, lambda: self.is_enforcing, keeps_waits=self.goal.limits_waits)
        """Sessions that wait for a place, except those in `apart`."""
        self.apart = Apart()
        """Sessions that wait for a place and are too large for the queue."""
        self.sharing = order if isinstance(order, SharingOrder) else None
        """The order, if it must know what was served."""
        self.tree = ConversationTree()
        """What the prompts of all conversations have in common."""
        self.places = Places(self.tree, engine, self.sharing)
        """Sessions that hold a place."""
        self.resting = Resting()
        """Sessions and agents whose leases run."""
        self.tenants = TenantTotals()
        self.holds = Holds()
        """Requests that wait."""
        self.in_flight = 0
        """Requests at the engine."""
        self.counters: Counter[tuple[str, str]] = Counter()
        self.accounts = TokenAccounts(self.places)
        self.limits = Limits(
            places=self.places,
            footprints=self.accounts.estimator,
            window=window,
            work_conserving=options.work_conserving,
        )
        self.lease = lease
        self.gaps = Gaps(lease, self.resting)
        self.numbers = numbers
        self.is_enforcing = options.enforcing
        self.is_draining = False
        self.readings = 0
        """How often the engine's gauges have been read."""
        self.lasting = 0
        """Requests in flight that were already in flight at the last reading."""

    def review_goal(self) -> None:
        """Let the goal see how many sessions there are now. Call this when it changes."""
        if self.goal.limits_waits:
            self.goal.review(self.crowd)

    def plan_goal(self, now: float) -> None:
        """Let the goal plan for the requests that wait. Call this about once a second."""
        if self.goal.limits_waits:
            self.goal.plan(self.order.waits.sizes(), self.crowd, now=now)

    @property
    def crowd(self) -> Crowd:
        """The sessions that have a place or wait for one."""
        return Crowd(
            active=len(self.places),
            active_tokens=self.places.footprint_tokens,
            pausing_tokens=self.places.pausing_tokens if self.places.pausing else 0.0,
            waiting=len(self.order.waits),
            waiting_tokens=self.order.waits.tokens,
            cache_tokens=self.accounts.cache_tokens,
            growth_tokens=self.accounts.estimator.growth_tokens(0.0),
            prefill_tokens_s=self.accounts.prefill_tokens_s,
        )

    def join(self, tree: ConversationTree) -> None:
        """Use the tree of a fleet. Call this before the first request."""
        self.tree = self.places.tree = tree
