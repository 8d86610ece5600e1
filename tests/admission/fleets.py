"""A fleet with a clock, for tests that are a series of events."""

import math

from concur_proxy.admission.arrival import Answered, Arrival
from concur_proxy.admission.fleet import Fleet
from concur_proxy.admission.gate import SessionGate
from concur_proxy.admission.gate_state import GateOptions
from concur_proxy.admission.lease import FixedLease
from concur_proxy.admission.numbering import Numbers
from concur_proxy.admission.ticket import Ticket
from tests.admission.gates import HOLD_S, body_of

LEASE_S = 5.0


class FleetScene:
    """A fleet, and `now`, which the test moves."""

    def __init__(self, *engines: str, windows: dict[str, float] | None = None, move_after_s: float = math.inf) -> None:
        def make_gate(engine: str, numbers: Numbers) -> SessionGate:
            window = (windows or {}).get(engine, 1.0)
            return SessionGate(
                options=GateOptions(session_ttl_s=100.0),
                lease=FixedLease(LEASE_S),
                window=window,
                engine=engine,
                numbers=numbers,
            )

        self.fleet = Fleet(engines=engines, make_gate=make_gate, move_after_s=move_after_s)
        self.now = 0.0
        self.decided: list[Ticket] = []

    def arrive(
        self,
        key: str | None,
        *,
        tokens: int = 0,
        hold_s: float = HOLD_S,
        model: str | None = None,
        home: str | None = None,
        avoid: str | None = None,
    ) -> Ticket:
        """A request of the session; if `key` is None, a request that names no session."""
        arrival = Arrival(key=key, body_bytes=body_of(tokens), hold_s=hold_s, model=model, home=home, avoid=avoid)
        ticket, self.decided = self.fleet.arrive(arrival, now=self.now)
        return ticket

    def finish(self, ticket: Ticket) -> list[Ticket]:
        """The ticket's answer has ended."""
        return self.fleet.finish(ticket, Answered(), now=self.now)

    def pass_time(self, seconds: float) -> list[Ticket]:
        """Move the clock, and let the fleet do what is due."""
        self.now += seconds
        return self.fleet.expire(now=self.now)

    def home(self, key: str) -> str:
        """The engine whose gate has the session."""
        (engine,) = [name for name, gate in self.fleet.gates.items() if gate.sessions.get(key) is not None]
        return engine
