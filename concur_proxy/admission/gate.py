"""The gate: which sessions are active, which wait, and which requests are thereby released.

It is one object in layers, a file each, that know only those below them:

    gate                             requests come and end, time passes, the engine shows its load
    gate_handover   gate_by_hand     sessions come from elsewhere and go there; a person stops or prefers them
    gate_scheduling                  who gets a place, and who gives one up
    gate_transitions                 what it takes to admit, pause or end a session, and to decide a request
    gate_state                       the parts, and the questions that can be put to them
"""

from dataclasses import replace

from concur_proxy.admission.arrival import Answered, Arrival
from concur_proxy.admission.gate_by_hand import GateByHand
from concur_proxy.admission.gate_handover import GateHandover
from concur_proxy.admission.outcome import Outcome
from concur_proxy.admission.room import EngineLoad
from concur_proxy.admission.session import Session, SessionState
from concur_proxy.admission.ticket import Ticket
from concur_proxy.control.law import Budget


class SessionGate(GateHandover, GateByHand):
    """Admits whole sessions to one engine under a window; an admitted session's requests pass at once."""

    def arrive(
        self, name: str, arrival: Arrival, *, now: float, rank: int | None = None
    ) -> tuple[Ticket, list[Ticket]]:
        """A request of the session of this name arrives. Returns its ticket and every ticket that this decided, its own
        included. `rank` is the seniority that another process gave a session that is new here.
        """
        session = self.sessions.get(name) or self._newcomer(name, arrival, rank, now)
        ticket = Ticket(session=session, number=next(self._numbers), arrival=arrival, now=now)
        estimate = self.accounts.footprint_with(session, arrival.body_bytes)
        decided = self._pump(now) if self._is_full else []  # leases may have ended since the last event
        refusal = self._refusal(session, estimate, now)
        if refusal is not None:
            return ticket, [*decided, self._decide(ticket, refusal, now)]
        self._wake(session, now)
        self._set_footprint(session, estimate)
        if session.state is SessionState.ACTIVE and not session.pausing:
            self.accounts.promise(ticket)
            return ticket, [*decided, self._decide(ticket, Outcome.ADMITTED, now)]
        session.held[ticket] = None
        self._holds.add(ticket)
        if not session.pausing:
            self._wait(session)
        return ticket, decided + self._pump(now)

    def finish(self, ticket: Ticket, answered: Answered, *, now: float) -> list[Ticket]:
        """The request is over, well or badly, whether it was waiting or in flight. Finishing a ticket twice changes
        nothing.
        """
        if ticket.is_held:
            self._withdraw(ticket, Outcome.CLIENT_GONE, now)
            return self._pump(now)
        if not ticket.is_in_flight:
            return []
        ticket.finished = True
        session = ticket.session
        session.turns += 1
        session.in_flight -= 1
        self._in_flight -= 1
        self._lasting -= ticket.reading < self._readings
        footprint = self.accounts.settle(ticket, answered, now=now)
        if footprint is not None:
            self._set_footprint(session, footprint)
        if session.in_flight == 0:
            self._step_boundary(session, now, client_gone=answered.client_gone)
        if self._options.enforcing:
            self._pause_excess(now)
        return self._pump(now)

    def end(self, key: str, *, now: float) -> list[Ticket]:
        """The session is over: at once if nothing of it is held or in flight, else when its last request has ended."""
        session = self.sessions.get(key)
        if session is None:
            return []
        session.ending = True
        if session.is_dormant:
            self._end(session, "said")
        return self._pump(now)

    def resize(self, window: float, *, now: float, budget: Budget | None = None) -> list[Ticket]:
        """Set the window in sessions (1 or more, `inf` for none; of a fraction only the whole ones count) and the one
        in tokens. Shrunk below the active sessions, the youngest pause at their step boundary.
        """
        self._limits.resize(window, budget)
        if self._options.enforcing:
            self._pause_excess(now)
        return self._pump(now)

    def observe(self, load: EngineLoad | None, *, now: float) -> list[Ticket]:
        """Take the newest reading of the engine, or None if there is no reading that can be trusted.

        Gauges that do not show all requests that have been in flight since the last reading are late: by them the
        engine looks emptier than it is. They admit nobody beyond the window.
        """
        is_late = load is not None and load.is_late(self._lasting)
        self._limits.observe(replace(load, waiting=None) if load is not None and is_late else load)
        self._readings += 1
        self._lasting = self._in_flight
        if load is not None:
            self._seen_prefill_tokens_s = load.prefill_tokens_s
            if load.capacity_tokens and self._prefill_tokens_s:
                self._lease.observe_break_even(load.capacity_tokens / self._prefill_tokens_s)
        return self._pump(now)

    def begin_with_lease(self, seconds: float) -> None:
        """Another process has found this lease to be right for the engine."""
        self._lease.begin_with(seconds)

    def lose_cache(self) -> None:
        """The engine has started with an empty cache: nothing is promised that was in the one before."""
        self.accounts.cache += 1

    def expire(self, *, now: float) -> list[Ticket]:
        """Time has passed: end holds past their deadline, forget sessions silent for too long, hand on lapsed
        places.
        """
        decided = []
        while (ticket := self._holds.first()) is not None and ticket.deadline <= now:
            decided.append(self._withdraw(ticket, Outcome.HOLD_TIMEOUT, now))
        while (
            dormant := self.sessions.longest_dormant()
        ) is not None and dormant.idle_since + self._options.session_ttl_s <= now:
            self._end(dormant, "idle")
        return decided + self._pump(now)

    def drain(self, *, now: float) -> list[Ticket]:
        """Stop: refuse all that is held and all that comes; what is in flight goes on."""
        self._draining = True
        return [self._withdraw(ticket, Outcome.DRAINING, now) for ticket in list(self._holds)]

    def _refusal(self, session: Session, footprint: float, now: float) -> Outcome | None:
        """Why a request is not even held; None: it is."""
        if self._draining:
            return Outcome.DRAINING
        is_new = session.state is SessionState.QUEUED and not session.held
        if not is_new or not self._is_full:
            return None
        # Whoever stands before it is not admitted either, so room for it alone would only make the line longer.
        is_next = self._line.position(session) == 1
        return None if is_next and self.make_room(footprint, now=now) else Outcome.QUEUE_FULL

    @property
    def _is_full(self) -> bool:
        """Whether as many wait as may."""
        return self.waiting >= self._options.max_waiting_sessions

    def _step_boundary(self, session: Session, now: float, *, client_gone: bool) -> None:
        """The session's last request in flight has ended: it ends, pauses or rests."""
        session.idle_since = now
        session.is_between_steps = not client_gone
        if session.ending and not session.held:
            self._end(session, "answered" if session.one_shot else "said")
            return
        if session.pausing or client_gone:
            self._pause(session, _pause_reason(session))
        else:
            self._places.rest(session)
        if session.is_dormant:
            self.sessions.sleep(session)


def _pause_reason(session: Session) -> str:
    """Why a session pauses at its step boundary."""
    if session.stopped:
        return "by_hand"
    return "window" if session.pausing else "client_gone"
