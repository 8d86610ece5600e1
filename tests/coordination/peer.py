"""One gateway of a group, as the tests of every way to share a window use it."""

import asyncio
from collections.abc import Callable

from concur_proxy.admission.arrival import Answered, Arrival
from concur_proxy.admission.changes import Steer
from concur_proxy.admission.manual import Steering
from concur_proxy.admission.outcome import Outcome
from concur_proxy.admission.ticket import Ticket
from concur_proxy.coordination.coordinator import Role
from concur_proxy.coordination.group.coordinator import GroupCoordinator
from concur_proxy.coordination.protocol.messages import Call, Reply

WAIT_S = 10.0


async def until(condition: Callable[[], bool], *, within_s: float = WAIT_S) -> None:
    """Wait until the condition is true; fails after `within_s`."""
    async with asyncio.timeout(within_s):
        while not condition():
            await asyncio.sleep(0.005)


class Peer:
    """A gateway whose requests come from a test."""

    wait_s = WAIT_S
    """How long an admission may take, seconds."""

    def __init__(self, name: str, coordinator: GroupCoordinator) -> None:
        self.name = name
        self.coordinator = coordinator

    @property
    def role(self) -> Role:
        return self.coordinator.status.role

    def arrive(self, key: str | None, *, hold_s: float = 60.0) -> Ticket:
        return self.coordinator.arrive(Arrival(key=key, body_bytes=400, hold_s=hold_s))

    async def admitted(self, key: str | None) -> Ticket:
        ticket = self.arrive(key)
        await until(lambda: not ticket.is_held, within_s=self.wait_s)
        assert ticket.outcome is Outcome.ADMITTED
        return ticket

    def finish(self, ticket: Ticket, *, client_gone: bool = False) -> None:
        self.coordinator.finish(ticket, Answered(prompt_tokens=100, completion_tokens=10, client_gone=client_gone))

    def do(self, call: Call) -> Reply:
        """Say this gateway's name, or do what the call's path names to the session that its body names."""
        if call.method == "GET":
            return Reply(status=200, body=self.name.encode())
        known = self.coordinator.apply(Steer(key=call.body.decode(), steering=Steering(call.path)))
        return Reply(status=200 if known else 404, body=b"{}")
