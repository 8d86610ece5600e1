"""The gates of all engines behind one door: a session is placed once and stays where its KV cache lives."""

import math
from collections.abc import Callable, Collection, Mapping, Sequence

from concur_proxy.admission.gate import SessionGate
from concur_proxy.admission.moving import Moving
from concur_proxy.admission.numbers import Numbers
from concur_proxy.admission.placement import Placement
from concur_proxy.admission.placements.least_pressure import LeastPressure
from concur_proxy.admission.record import SessionRecord
from concur_proxy.admission.room import EngineLoad
from concur_proxy.admission.roster import Roster
from concur_proxy.admission.session import Session
from concur_proxy.admission.standings import Standings
from concur_proxy.admission.steering import Steering
from concur_proxy.admission.ticket import Ticket
from concur_proxy.control.law import Budget

GateFactory = Callable[[str, Numbers], SessionGate]
"""Makes the gate of an engine, by the engine's name and the fleet-wide numbers for seniority."""


class Fleet:
    """Places sessions on engines and passes every event on to the gate concerned."""

    def __init__(
        self,
        *,
        engines: Sequence[str],
        make_gate: GateFactory,
        placement: Placement | None = None,
        move_after_s: float = math.inf,
        after: int = 0,
    ) -> None:
        """`move_after_s`: how long a session that was paused waits for its own engine before another may take it.
        `after`: larger than any seniority that another process gave before.
        """
        if not engines:
            raise ValueError("a fleet needs at least one engine")
        self._numbers = Numbers(after=after)
        self._gates = {engine: make_gate(engine, self._numbers) for engine in engines}
        self._homes: dict[str, str] = {}
        for engine, gate in self._gates.items():
            gate.sessions.list_in(self._homes, engine)
        self._roster = Roster(engines)
        self._standings = Standings(self._gates, self._roster, move_after_s=move_after_s)
        self._moving = Moving(self._gates, self._roster, self._standings, placement or LeastPressure())
        self._make_gate = make_gate
        self._is_draining = False
        self._changes: set[str] | None = None

    @property
    def gates(self) -> Mapping[str, SessionGate]:
        """The gates by engine."""
        return self._gates

    @property
    def down(self) -> frozenset[str]:
        """Engines that take no new sessions because they could not be reached."""
        return self._roster.down

    def knows(self, key: str) -> bool:
        """Whether there is a session of this key."""
        return key in self._homes

    def arrive(
        self,
        key: str | None,
        *,
        now: float,
        deadline: float,
        body_bytes: int = 0,
        model: str | None = None,
        avoid: str | None = None,
        rank: int | None = None,
    ) -> tuple[Ticket, list[Ticket]]:
        """A request of session `key` has come, or of none (then it is a session of its own, ended with its answer).

        It goes to an engine that serves `model`, and to another one than `avoid` if any can take it. A session's
        request for a model that other engines serve than those that serve the session's own is of a session beside
        that one: it has another cache. `rank` is the seniority that a session which is not known here was given
        elsewhere.
        """
        one_shot = key is None
        name = f"\0{next(self._numbers)}" if key is None else key
        decided = self._moving.evacuate(now)
        gate, session = self._find(name)
        if session is not None and not self._roster.are_alike(session.model, model):
            name = _beside(name, model)
            gate, session = self._find(name)
        if gate is None or session is None:
            gate = self._place(name, body_bytes, model, avoid)
        elif not session.in_flight and self._roster.has_lost(gate.engine, session.model, avoid):
            # Its cache is lost with the engine; what is in flight there must end first.
            gate, more = self._moving.move(session, gate, now)
            decided += more
        ticket, more = self._moving.touched(gate).arrive(
            name, now=now, deadline=deadline, body_bytes=body_bytes, one_shot=one_shot, model=model, rank=rank
        )
        return ticket, decided + more + self._settle(now)

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
        """An admitted request's answer has ended, see `SessionGate.finish`."""
        if not ticket.is_in_flight:
            return []
        decided = self._moving.evacuate(now)
        decided += self._moving.touched(self._gates[ticket.engine]).finish(
            ticket,
            now=now,
            prompt_tokens=prompt_tokens,
            completion_tokens=completion_tokens,
            cached_tokens=cached_tokens,
            client_gone=client_gone,
        )
        return decided + self._settle(now)

    def abandon(self, ticket: Ticket, *, now: float) -> list[Ticket]:
        """The client of a request has gone, see `SessionGate.abandon`."""
        gate = self._gate_of(ticket)
        decided = [] if gate is None else self._moving.touched(gate).abandon(ticket, now=now)
        return decided + self._moving.evacuate(now) + self._settle(now)

    def end(self, key: str, *, now: float) -> list[Ticket]:
        """The session is over, see `SessionGate.end`; an unknown one is none of our business."""
        decided = self._moving.evacuate(now)
        models = () if self._roster.is_uniform else self._roster.models
        for name in (key, *(_beside(key, model) for model in models)):
            gate = self._home(name)
            decided += [] if gate is None else self._moving.touched(gate).end(name, now=now)
        return decided + self._settle(now)

    def steer(self, key: str, steering: Steering, *, now: float) -> list[Ticket]:
        """A person does something to a session; to an unknown one, nothing."""
        if steering is Steering.END:
            return self.end(key, now=now)
        decided = self._moving.evacuate(now)
        gate, session = self._find(key)
        if gate is not None and session is not None:
            gate = self._moving.touched(gate)
            if steering is Steering.PAUSE:
                decided += gate.stop(session, now=now)
            elif steering is Steering.RESUME:
                decided += gate.let_go_on(session, now=now)
            else:
                decided += gate.prefer(session, now=now)
        return decided + self._settle(now)

    def enforce(self, engine: str, *, enforcing: bool, now: float) -> list[Ticket]:
        """Hold whom the engine's window holds, or only count them; of one that is gone, nothing."""
        gate = self._gates.get(engine)
        if gate is None:
            return []
        decided = self._moving.touched(gate).enforce(enforcing=enforcing, now=now)
        return decided + self._moving.evacuate(now) + self._settle(now)

    def resize(self, engine: str, window: float, *, now: float, budget: Budget | None = None) -> list[Ticket]:
        """Set the window of one engine; of one that is gone, nothing."""
        gate = self._gates.get(engine)
        if gate is None:
            return []
        decided = self._moving.evacuate(now)
        return decided + self._moving.touched(gate).resize(window, now=now, budget=budget) + self._settle(now)

    def observe(self, engine: str, load: EngineLoad | None, *, now: float) -> list[Ticket]:
        """The newest reading of one engine, see `SessionGate.observe`; of one that is gone, nothing."""
        gate = self._gates.get(engine)
        if gate is None:
            return []
        decided = self._moving.evacuate(now)
        return decided + self._moving.touched(gate).observe(load, now=now) + self._settle(now)

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
        for engine in self._gates:
            self._standings.touch(engine)
        self._moving.reconsider(self._gates)

    def models_of(self, engine: str) -> frozenset[str] | None:
        """The models that the engine serves; None: not known."""
        return self._roster.models_of(engine)

    def candidates(self, model: str | None) -> list[str]:
        """The engines to which a request outside of any session may go, the first of them first."""
        return self._roster.candidates(model)

    def lose_cache(self, engine: str) -> None:
        """The engine has started anew, see `SessionGate.lose_cache`."""
        if engine in self._gates:
            self._gates[engine].lose_cache()

    def expire(self, *, now: float) -> list[Ticket]:
        """Time has passed, see `SessionGate.expire`."""
        decided = self._moving.evacuate(now)
        decided += [ticket for gate in self._standings.due(now) for ticket in gate.expire(now=now)]
        return decided + self._settle(now)

    def next_deadline(self) -> float | None:
        """When `expire` has something to do, or None."""
        if len(self._gates) == 1:
            return next(iter(self._gates.values())).next_deadline()
        return self._standings.next_deadline()

    def drain(self, *, now: float) -> list[Ticket]:
        """Stop admitting, see `SessionGate.drain`."""
        self._is_draining = True
        return [ticket for gate in self._gates.values() for ticket in self._moving.touched(gate).drain(now=now)]

    def note_changes(self, changes: set[str]) -> None:
        """Put the keys of sessions that change into `changes`, from now on."""
        self._changes = changes
        for gate in self._gates.values():
            gate.sessions.note_changes(changes)

    def record(self, key: str, *, now: float) -> SessionRecord | None:
        """What must be kept of the session; None when there is nothing: it is over, or of one request."""
        gate, session = self._find(key)
        if gate is None or session is None or session.one_shot:
            return None
        return SessionRecord.of(session, gate.engine, now=now)

    def restore(self, record: SessionRecord, *, now: float) -> None:
        """Know a session again, with its place if it had one. One that is known is left as it is."""
        if record.key not in self._homes:
            engine = record.engine if record.engine in self._gates else self._roster.candidates(record.model)[0]
            self._moving.touched(self._gates[engine]).restore(
                record.session(rank=self._numbers.take(record.rank), now=now)
            )

    def claim(
        self,
        key: str | None,
        *,
        engine: str,
        rank: int | None,
        now: float,
        body_bytes: int = 0,
        model: str | None = None,
    ) -> tuple[Ticket, list[Ticket]]:
        """A request that another process released is at `engine`: its session holds a place there, whatever the window
        says. A session that is known elsewhere comes along; `ValueError` for an engine that there is not.
        """
        if engine not in self._gates:
            raise ValueError(f"no engine {engine}")
        name = f"\0{next(self._numbers)}" if key is None else key
        home, session = self._find(name)
        if home is not None and session is not None and home.engine != engine:
            if session.in_flight:
                name, home = _beside(name, engine), None
            else:
                self._moving.touched(home).part_with(session, "moved")
                self._moving.touched(self._gates[engine]).adopt(session, now=now)
        ticket, decided = self._moving.touched(self._gates[engine]).claim(
            name, rank=rank, now=now, body_bytes=body_bytes, one_shot=key is None, model=model
        )
        return ticket, decided + self._settle(now)

    def expected_wait(self, ticket: Ticket, *, now: float) -> tuple[int, float]:
        """A held or refused ticket's place in its line, from 1, and the seconds that this place will probably take."""
        gate = self._gate_of(ticket)
        if gate is None:
            return 1, 0.0
        position = gate.position(ticket)
        return position, gate.expected_wait_s(position, now=now)

    def _home(self, key: str) -> SessionGate | None:
        engine = self._homes.get(key)
        return None if engine is None else self._gates[engine]

    def _find(self, key: str) -> tuple[SessionGate | None, Session | None]:
        gate = self._home(key)
        return gate, None if gate is None else gate.sessions.get(key)

    def _gate_of(self, ticket: Ticket) -> SessionGate | None:
        return self._gates.get(ticket.engine) if ticket.engine else self._home(ticket.session.key)

    def _place(self, key: str, body_bytes: int, model: str | None, avoid: str | None) -> SessionGate:
        first = next(iter(self._gates.values()))
        if len(self._gates) == 1:
            return first
        return self._moving.choose(key, first.accounts.estimator.estimate(body_bytes), model, avoid)

    def _settle(self, now: float) -> list[Ticket]:
        """What an event at one gate brings about at others."""
        decided = self._moving.share(now)
        if self._roster.retiring:
            decided += self._moving.evacuate(now)
            for engine in list(self._roster.retiring):
                if not len(self._gates[engine].sessions):
                    del self._gates[engine]
                    self._roster.remove(engine)
                    self._standings.remove(engine)
        return decided


def _beside(key: str, model: str | None) -> str:
    """The key of the session that has another model beside session `key`."""
    return f"{key}\0{model or ''}"
