"""Who gets a place and who gives one up: the window, the engine's room, and the leases of idle sessions."""

from concur_proxy.admission.gate_transitions import GateTransitions
from concur_proxy.admission.ticket import Ticket


class GateScheduling(GateTransitions):
    """Decides who is admitted next and who pauses, after every event anew."""

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

    def _pump(self, now: float) -> list[Ticket]:
        """Where there is room, let those that were to pause keep their places, then admit from the line."""
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

    def _make_room(self, tokens: float, now: float) -> str | None:
        """Why a session of this footprint may be admitted, taking back lapsed places as needed; None: it may not."""
        while (reason := self._reason_to_admit(tokens)) is None and self._reclaim_lapsed(now):
            pass
        return reason

    def _reason_to_admit(self, tokens: float) -> str | None:
        """Why a session of this footprint may be admitted as things are; None: it may not."""
        if self._is_needless:
            return "lease"
        return self._limits.reason_to_admit(tokens, in_flight=self._in_flight)

    @property
    def _is_needless(self) -> bool:
        """Whether a law that weighs caches has none to protect: the engine then orders requests as well as we could."""
        return self._limits.budget is not None and not self._lease.keeps_caches

    def _reclaim_lapsed(self, now: float) -> bool:
        """Take back the place of the session that has been idle for longest; false if its lease goes on."""
        session, lapse = self._places.longest_idle(), self.next_lapse()
        if session is None or lapse is None or lapse > now:
            return False
        self._pause(session, "lease")
        return True

    def _pause_excess(self, now: float) -> None:
        """Pause until the window holds the rest: first those whose lease has ended, then the youngest."""
        while not self._is_needless and self._limits.are_exceeded(in_flight=self._in_flight):
            if self._reclaim_lapsed(now):
                continue
            session = self._places.youngest()
            if session.in_flight:
                self._places.start_pausing(session)
            else:
                self._pause(session, "window")
