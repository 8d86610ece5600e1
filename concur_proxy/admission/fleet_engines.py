"""Engines that come and go, are down and up again, and serve other models than before."""

from collections.abc import Collection

from concur_proxy.admission.fleet_state import FleetState
from concur_proxy.admission.ticket import Ticket


class FleetEngines(FleetState):
    """Learns of every change of an engine, and has those sessions moved that it can serve no more."""

    def mark_down(self, engine: str) -> None:
        """The engine cannot be reached: while another can, new sessions go elsewhere, those that wait here move with
        the next event, and idle ones with their next request.
        """
        if engine in self._gates:
            self._roster.mark_down(engine)
            self._moving.touched(self._gates[engine])

    def mark_up(self, engine: str) -> None:
        """The engine answers again."""
        if engine in self._gates:
            self._roster.mark_up(engine)
            self._standings.touch(engine)
            self._moving.reconsider({*self._roster.down, *self._roster.retiring})  # there is an engine to move to now

    def serve(self, engine: str, models: Collection[str] | None) -> None:
        """The engine serves these models from now on, or nobody knows (None). Those who wait here for another move
        with the next event.
        """
        if engine in self._gates and self._roster.serve(engine, models):
            self._reconsider_all()

    def lose_cache(self, engine: str) -> None:
        """The engine has started anew, see `SessionGate.lose_cache`."""
        if engine in self._gates:
            self._gates[engine].lose_cache()

    def add_engine(self, engine: str) -> None:
        """There is one more engine; one that is being retired stays after all."""
        if engine not in self._gates:
            gate = self._gates[engine] = self._make_gate(engine, self._numbers)
            gate.sessions.list_in(self._homes, engine)
            if self._changes is not None:
                gate.sessions.note_changes(self._changes)
            if self._is_draining:
                gate.drain(now=0.0)  # nobody is held there yet
            self._standings.add(engine)
        self._roster.add(engine)
        self._reconsider_all()

    def retire_engine(self, engine: str, *, now: float) -> list[Ticket]:
        """Give an engine up: whoever waits or is idle there moves at once, the others at the end of their answers, and
        then it is forgotten. `ValueError` for the last one, and for one that is not known.
        """
        if engine not in self._gates:
            raise ValueError(f"no engine {engine}")
        self._roster.retire(engine)
        self._reconsider_all()
        return self._moving.evacuate(now) + self._settle(now)

    def _reconsider_all(self) -> None:
        """Whoever waits or is idle may have to go elsewhere now, or be able to."""
        for engine in self._gates:
            self._standings.touch(engine)
        self._moving.reconsider(self._gates)
