"""A gate with a clock and a record of what happened, for tests that are a series of events."""

from concur_proxy.admission.arrival import Answered, Arrival
from concur_proxy.admission.estimates import FootprintEstimator
from concur_proxy.admission.gate import SessionGate
from concur_proxy.admission.gate_state import GateOptions
from concur_proxy.admission.lease import FixedLease, Lease
from concur_proxy.admission.limits import EngineLoad
from concur_proxy.admission.numbering import Numbers
from concur_proxy.admission.session import Session
from concur_proxy.admission.ticket import Ticket
from concur_proxy.recognition.whereabouts import Whereabouts

HOLD_S = 1_000.0


def load(
    *,
    running: int | None = 0,
    waiting: int | None = 0,
    kv_usage: float | None = 0.0,
    capacity_tokens: int | None = 1_000,
) -> EngineLoad:
    """An idle engine's reading, except for what is given."""
    return EngineLoad(running=running, waiting=waiting, kv_usage=kv_usage, capacity_tokens=capacity_tokens)


def body_of(tokens: float) -> int:
    """The size of a body that counts as this many tokens while no engine has counted any."""
    return round(tokens / FootprintEstimator.FIRST_TOKENS_PER_BYTE)


class Scene:
    """One gate, and `now`, which the test moves."""

    def __init__(
        self,
        *,
        window: float = 1.0,
        lease: Lease | None = None,
        max_waiting: int = 100,
        ttl_s: float = 100.0,
        work_conserving: bool = True,
        enforcing: bool = True,
        engine: str = "e",
        numbers: Numbers | None = None,
    ) -> None:
        options = GateOptions(
            max_waiting_sessions=max_waiting,
            session_ttl_s=ttl_s,
            work_conserving=work_conserving,
            enforcing=enforcing,
        )
        self.gate = SessionGate(
            options=options, lease=lease or FixedLease(5.0), window=window, engine=engine, numbers=numbers
        )
        self.now = 0.0
        self.decided: list[Ticket] = []
        """What the last event decided."""

    def arrive(
        self,
        key: str,
        *,
        tokens: float = 0.0,
        hold_s: float = HOLD_S,
        one_shot: bool = False,
        member: str = "",
        parent: str = "",
    ) -> Ticket:
        """A request of the session, with a body that counts as this many tokens while no engine has counted any.
        `member` is the sub-agent that sends it, and `parent` the sub-agent that started this one.
        """
        arrival = Arrival(key=None if one_shot else key, body_bytes=body_of(tokens), hold_s=hold_s)
        where = Whereabouts(session=key, member=member, parent=parent, is_one_shot=one_shot)
        ticket, self.decided = self.gate.arrive(where, arrival, now=self.now)
        return ticket

    def finish(
        self, ticket: Ticket, *, prompt: int | None = None, completion: int | None = None, gone: bool = False
    ) -> list[Ticket]:
        """The ticket's answer has ended."""
        answered = Answered(prompt_tokens=prompt, completion_tokens=completion, client_gone=gone)
        self.decided = self.gate.finish(ticket, answered, now=self.now)
        return self.decided

    def idle(self, *keys: str) -> None:
        """Sessions that are active and between two steps, in this order of seniority."""
        for key in keys:
            ticket = self.arrive(key)
            assert ticket.is_in_flight, "the window has no place for it"
            self.finish(ticket)

    def resize(self, window: float) -> list[Ticket]:
        """Set the window."""
        return self.gate.resize(window, now=self.now)

    def pass_time(self, seconds: float) -> list[Ticket]:
        """Move the clock, and let the gate do what is due."""
        self.now += seconds
        self.decided = self.gate.expire(now=self.now)
        return self.decided

    def session(self, key: str) -> Session:
        """The session of this key; the gate must know it."""
        session = self.gate.sessions.get(key)
        assert session is not None
        return session
