"""One of the workers of a gateway that shares its window with the others."""

from concur_proxy.coordination.coordinator import CoordinatorParts
from concur_proxy.coordination.group.coordinator import GroupCoordinator
from concur_proxy.coordination.group.member import Member
from concur_proxy.coordination.workers.door import Door
from concur_proxy.coordination.workers.link import WorkerLink
from concur_proxy.coordination.workers.responses import ResponsesOfWorkers
from concur_proxy.coordination.workers.upkeep import WorkersUpkeep


class WorkersCoordinator(GroupCoordinator):
    """A worker whose messages travel over unix sockets to the worker that leads."""

    upkeep: WorkersUpkeep

    def __init__(self, parts: CoordinatorParts, door: Door) -> None:
        self.link, responses = WorkerLink(parts.replica), ResponsesOfWorkers()
        member = Member(parts, self.link)
        super().__init__(member, responses, WorkersUpkeep(member, self.link, responses, door))
