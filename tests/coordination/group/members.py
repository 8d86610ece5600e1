"""A member of a group without a network, and sessions that a leader has saved."""

from concur_proxy.admission.arrival import Answered, Arrival
from concur_proxy.admission.changes import Change
from concur_proxy.admission.handover import SessionRecord
from concur_proxy.coordination.coordinator import CoordinatorParts
from concur_proxy.coordination.group.member import Member
from concur_proxy.coordination.group.term import Term
from concur_proxy.coordination.protocol.messages import Message
from tests.coordination.fleets import make_fleet

MANY = 50
NOBODY = Term("", frozenset())
TERM = Term("3:x:me", frozenset({"me"}))


class Link:
    """Notes what is sent."""

    me = "me"

    def __init__(self) -> None:
        self.sent: list[tuple[str | None, Message | Change]] = []
        self.term = ""

    def enter(self, term: str, *, leads: bool) -> None:  # noqa: ARG002 - the interface's argument
        self.term = term

    def send(self, message: Message | Change, to: str | None = None) -> None:
        self.sent.append((to, message))


def saved() -> list[SessionRecord]:
    fleet = make_fleet(window=float(MANY))
    for number in range(MANY):
        ticket, _ = fleet.arrive(Arrival(key=f"s{number}", body_bytes=400, hold_s=60.0), now=float(number))
        fleet.finish(ticket, Answered(prompt_tokens=100, completion_tokens=10), now=float(number))
    records = [fleet.record(f"s{number}", now=float(MANY)) for number in range(MANY)]
    return [record for record in records if record is not None]


def member(link: Link | None = None) -> Member:
    parts = CoordinatorParts(
        make_fleet=lambda after: make_fleet(window=float(MANY), after=after), clock=lambda: 100.0, replica="me"
    )
    return Member(parts, link or Link())
