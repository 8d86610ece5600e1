"""The gate: which sessions are active, which wait, and which requests are thereby released."""

from dataclasses import replace

from concur_proxy.admission.outcome import Outcome
from concur_proxy.admission.room import EngineLoad
from concur_proxy.admission.session import Session, SessionState
from concur_proxy.admission.state import GateState
from concur_proxy.admission.ticket import Ticket
from concur_proxy.control.law import Budget


class SessionGate(GateState):
    """Admits whole sessions to one engine under a window; an admitted session's requests pass at once."""

    # -- what happens

    def arrive(
        self,
        key: str,
        *,
        now: float,
        deadline: float,
        body_bytes: int = 0,
        one_shot: bool = False,
        model: str | None = None,
        rank: int | None = None,
    ) -> tuple[Ticket, list[Ticket]]:
        """A request of session `key` has come; returns its ticket, and every ticket that this decided (maybe its own
        among them). `rank` is a new session's seniority where it was given one elsewhere.
        """
        session = self.sessions.get(key)
        if session is None:
            session = Session(key=key, rank=self._numbers.take(rank), one_shot=one_shot, now=now, model=model)
        ticket = Ticket(session=session, number=next(self._numbers), now=now, deadline=deadline, body_bytes=body_bytes)
        estimate = self.accounts.footprint_with(session, body_bytes)
        refusal = self._refusal(session, estimate, now)
        if refusal is not None:
            return ticket, [self._decide(ticket, refusal, now)]
        self._wake(session, now)
        self._set_footprint(session, estimate)
        if session.state is SessionState.ACTIVE and not session.pausing:
            self.accounts.promise(ticket)
            return ticket, [self._decide(ticket, Outcome.ADMITTED, now)]
        session.held[ticket] = None
        self._holds.add(ticket)
        if not session.pausing:
            self._wait(session)
        return ticket, self._pump(now)

    def finish(
        self,
        ticket: Ticket,
        *,
        now: float,
        prompt_tokens: int | None = None,
        completion_tokens: int | None = None,
        cached_tokens: int | None = None,
        client_gone: bool = False,
    ) -> list[Ticket]:
        """A released request's answer has ended, well or badly; finishing twice is the same as once.

        Token counts are the engine's, where it told them. `client_gone` gives the session's place up at once.
        """
        if not ticket.is_in_flight:
            return []
        ticket.finished = True
        session = ticket.session
        session.turns += 1
        session.in_flight -= 1
        self._in_flight -= 1
        if prompt_tokens is not None:
            footprint = self.accounts.settle(
                ticket,
                now=now,
                prompt_tokens=prompt_tokens,
                completion_tokens=completion_tokens or 0,
                cached_tokens=cached_tokens,
            )
            self._set_footprint(session, footprint)
        if session.in_flight == 0:
            self._step_boundary(session, now, client_gone=client_gone)
        if self._options.enforcing:
            self._pause_excess(now)
        return self._pump(now)

    def abandon(self, ticket: Ticket, *, now: float) -> list[Ticket]:
        """The client of this ticket has gone: held, it leaves the line; in flight, its place is given up."""
        if ticket.is_in_flight:
            return self.finish(ticket, now=now, client_gone=True)
        if not ticket.is_held:
            return []
        self._withdraw(ticket, Outcome.CLIENT_GONE, now)
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
        """The engine's newest reading, or None when there is none to be trusted."""
        self._limits.observe(load)
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

    def part_with(self, session: Session, reason: str) -> None:
        """Hand a session over to another gate's `adopt`, with its held tickets and its seniority; an active one loses
        its place. The line moves with the next event. `ValueError` while requests are in flight: the engine has them.
        """
        if session.in_flight:
            raise ValueError(f"session {session.key!r} has requests in flight")
        if session.state is SessionState.ACTIVE:
            self._pause(session, "moved")
        self.counters["move", reason] += 1
        self._line.leave(session)
        self.sessions.remove(session)
        session.cache = None
        for ticket in session.held:
            self._holds.remove(ticket)

    def adopt(self, session: Session, *, now: float) -> list[Ticket]:
        """Take over a session that another gate parted with."""
        self.sessions.add(session)
        for ticket in session.held:
            self._holds.add(ticket)
        if session.held:
            self._wait(session)
        else:
            self.sessions.sleep(session)
        return self._pump(now)

    def restore(self, session: Session) -> None:
        """Know a session again that another process knew, as it stood: with its place if it is active, and idle."""
        self.sessions.add(session)
        if session.state is SessionState.ACTIVE:
            self._places.take(session)
            self._places.rest(session)
        self.sessions.sleep(session)

    def claim(
        self,
        key: str,
        *,
        rank: int | None,
        now: float,
        body_bytes: int = 0,
        one_shot: bool = False,
        model: str | None = None,
    ) -> tuple[Ticket, list[Ticket]]:
        """A request that another process released is in flight: its session holds a place, whatever the window says.
        Returns the request's ticket, and those of the session that waited here.
        """
        session = self.sessions.get(key)
        if session is None:
            session = Session(key=key, rank=self._numbers.take(rank), one_shot=one_shot, now=now, model=model)
        ticket = Ticket(session=session, number=next(self._numbers), now=now, deadline=now, body_bytes=body_bytes)
        estimate = self.accounts.footprint_with(session, body_bytes)
        self._wake(session, now)
        self._set_footprint(session, estimate)
        self._decide(ticket, Outcome.ADMITTED, now)
        if session.state is SessionState.ACTIVE:
            return ticket, []
        decided = self._admit(session, "claim", now)
        if session.stopped:
            self._places.stop(session)
        return ticket, decided

    def has_room_for(self, tokens: float) -> bool:
        """Whether a session of this footprint would be admitted if it were next."""
        if not self._options.enforcing:
            return True
        head = self._line.head()
        if head is not None and head.footprint <= tokens:
            return False  # there was no room for that one either
        return self._reason_to_admit(tokens) is not None

    def make_room(self, tokens: float, *, now: float) -> bool:
        """Whether a session of this footprint would be admitted if it were next, with the places whose lease has
        ended: they are taken back as needed, so call this only when somebody waits.
        """
        return self._make_room(tokens, now) is not None or not self._options.enforcing

    # -- by hand

    def stop(self, session: Session, *, now: float) -> list[Ticket]:
        """Pause the session at its step boundary, and give it no place until `let_go_on`."""
        if session.stopped:
            return []
        self._line.leave(session)
        if session.state is SessionState.ACTIVE and session.in_flight:
            self._places.stop(session)
        session.stopped = True
        if session.state is SessionState.ACTIVE and not session.in_flight:
            self._pause(session, "by_hand")
        self.sessions.note(session)
        return self._pump(now)

    def let_go_on(self, session: Session, *, now: float) -> list[Ticket]:
        """Treat a session that was stopped as any other again."""
        if not session.stopped:
            return []
        decided: list[Ticket] = []
        if session.pausing:
            self._places.let_go_on(session)
            decided += self._release_held(session, now)
        session.stopped = False
        if session.held:
            self._wait(session)
        self.sessions.note(session)
        if self._options.enforcing:
            self._pause_excess(now)
        return decided + self._pump(now)

    def prefer(self, session: Session, *, now: float) -> list[Ticket]:
        """Put the session before all others: the next to get a place, and the last to lose one."""
        is_waiting = session in self._line
        self._line.leave(session)
        rank = self._numbers.take_least()
        if session.state is SessionState.ACTIVE:
            self._places.rank(session, rank)
        session.rank = rank
        if is_waiting:
            self._line.join(session)
        self.sessions.note(session)
        return self._pump(now)

    def enforce(self, *, enforcing: bool, now: float) -> list[Ticket]:
        """From now on hold whom the window holds, or only count them."""
        self._options = replace(self._options, enforcing=enforcing)
        if enforcing:
            self._pause_excess(now)
        return self._pump(now)

    # -- admission

    def _wait(self, session: Session) -> None:
        if not session.stopped:
            self._line.join(session)

    def _refusal(self, session: Session, footprint: float, now: float) -> Outcome | None:
        if self._draining:
            return Outcome.DRAINING
        is_new = session.state is SessionState.QUEUED and not session.held
        is_full = self.waiting >= self._options.max_waiting_sessions
        if is_new and is_full and not self.make_room(footprint, now=now):
            return Outcome.QUEUE_FULL
        return None

    def _wake(self, session: Session, now: float) -> None:
        if self.sessions.get(session.key) is None:
            self.sessions.add(session)
        elif session.is_dormant and session.is_between_steps:
            self._lease.observe_gap(now - session.idle_since)
        self.sessions.wake(session)
        self._places.wake(session)

    def _reason_to_admit(self, tokens: float) -> str | None:
        if self._is_needless:
            return "lease"
        return self._limits.reason_to_admit(tokens, in_flight=self._in_flight)

    @property
    def _is_needless(self) -> bool:
        """Whether a law that weighs caches has none to protect: the engine then orders requests as well as we could."""
        return self._limits.budget is not None and not self._lease.keeps_caches

    def _make_room(self, tokens: float, now: float) -> str | None:
        while (reason := self._reason_to_admit(tokens)) is None and self._reclaim_lapsed(now):
            pass
        return reason

    def _pump(self, now: float) -> list[Ticket]:
        decided: list[Ticket] = []
        while self._places.pausing and self._limits.allow_reprieve(in_flight=self._in_flight):
            decided += self._release_held(self._places.reprieve(), now)
        while (session := self._line.head()) is not None:
            reason = self._make_room(session.footprint, now)
            if reason is None and self._options.enforcing:
                break
            if reason is None:
                self.counters["would_hold", "window"] += 1
            decided += self._admit(session, reason or "window", now)
        if not self._line:
            self._drain_rate.queue_emptied()
        return decided

    def _admit(self, session: Session, reason: str, now: float) -> list[Ticket]:
        self._line.leave(session)
        session.has_lapsed = False
        self.counters["resume" if session.state is SessionState.PAUSED else "admit", reason] += 1
        self.sessions.move(session, SessionState.ACTIVE)
        self._places.take(session)
        self._limits.admitted(session.footprint)
        self._drain_rate.admitted(now)
        return [] if session.stopped else self._release_held(session, now)

    def _release_held(self, session: Session, now: float) -> list[Ticket]:
        released = list(session.held)
        session.held.clear()
        for ticket in released:
            self._holds.remove(ticket)
        return [self._decide(ticket, Outcome.ADMITTED, now) for ticket in released]

    def _decide(self, ticket: Ticket, outcome: Outcome, now: float) -> Ticket:
        ticket.outcome = outcome
        ticket.decided_at = now
        ticket.engine = self.engine
        if outcome is Outcome.ADMITTED:
            ticket.session.in_flight += 1
            self._in_flight += 1
        else:
            self.counters["refuse", outcome.value] += 1
        return ticket

    # -- pausing and ending

    def _reclaim_lapsed(self, now: float) -> bool:
        session, lapse = self._places.longest_idle(), self.next_lapse()
        if session is None or lapse is None or lapse > now:
            return False
        self._pause(session, "lease")
        return True

    def _pause_excess(self, now: float) -> None:
        while not self._is_needless and self._limits.are_exceeded(in_flight=self._in_flight):
            if self._reclaim_lapsed(now):
                continue
            session = self._places.youngest()
            if session.in_flight:
                self._places.start_pausing(session)
            else:
                self._pause(session, "window")

    def _step_boundary(self, session: Session, now: float, *, client_gone: bool) -> None:
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

    def _pause(self, session: Session, reason: str) -> None:
        self.counters["pause", reason] += 1
        self._places.give_up(session)
        session.has_lapsed = reason == "lease"
        self.sessions.move(session, SessionState.PAUSED)
        if session.held:
            self._wait(session)

    def _withdraw(self, ticket: Ticket, outcome: Outcome, now: float) -> Ticket:
        session = ticket.session
        del session.held[ticket]
        self._holds.remove(ticket)
        self._decide(ticket, outcome, now)
        if not session.held:
            self._line.leave(session)
        if session.is_dormant:
            session.idle_since = now
            session.is_between_steps = False
            if session.ending:
                self._end(session, outcome.value)
            else:
                self.sessions.sleep(session)
        return ticket

    def _end(self, session: Session, reason: str) -> None:
        self.counters["end", reason] += 1
        if session.state is SessionState.ACTIVE:
            self._places.give_up(session)
        self.sessions.remove(session)
        session.enter(SessionState.ENDED)

    def _set_footprint(self, session: Session, footprint: float) -> None:
        if session.state is SessionState.ACTIVE:
            self._places.measure(session, footprint)
        session.footprint = footprint


def _pause_reason(session: Session) -> str:
    """Why a session pauses at its step boundary."""
    if session.stopped:
        return "by_hand"
    return "window" if session.pausing else "client_gone"
