"""What the gateway made of a client's requests, and the table of all clients."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from tests.real_clients.clients import BY_NOTHING, Client
from tests.real_clients.front import Trouble

HEAD = (
    "Client",
    "Version",
    "Recognised by",
    "Requests of an agent",
    "Stable over turns",
    "After a 429",
    "20 s of silence",
    "The one line that helps",
)

ENDED = "Session ended"
"""A column more, for clients that end their sessions."""

NOT_HERE = "does not install here"
"""How the problem of a client begins that could not be installed."""

SAME = "same"
"""Agents with such names have the same first prompt. Until the second one nothing tells them apart, so they may change
sessions there.
"""


TROUBLE = "trouble"
"""The agent that is refused and has to wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request of an agent, as the gateway's log describes it."""

    agent: str
    number: int
    session: str
    by: str
    status: int


@dataclass(slots=True)
class Row:
    """One client's line of the table."""

    client: Client
    version: str = ""
    problem: str = ""
    """Why there is no result."""
    requests: Sequence[Request] = field(default_factory=list)
    turns: int = 0
    trouble: Trouble | None = None
    ended: Sequence[str] = ()
    """The agents whose sessions the gateway has ended on request."""

    @property
    def of_agents(self) -> dict[str, list[Request]]:
        """The requests of each agent without trouble."""
        agents: dict[str, list[Request]] = defaultdict(list)
        for request in self.requests:
            if request.agent != TROUBLE:
                agents[request.agent].append(request)
        return agents

    @property
    def recognised_by(self) -> list[str]:
        """What recognised the requests after each agent's first."""
        later = [request for requests in self.of_agents.values() for request in requests[1:]]
        return sorted({request.by or BY_NOTHING for request in later})

    @property
    def unstable(self) -> list[str]:
        """The agents that are not one session each."""
        found = []
        sessions: dict[str, set[str]] = defaultdict(set)
        for agent, requests in self.of_agents.items():
            own = {request.session for request in requests[agent.startswith(SAME) :]}
            if len(own) > 1:
                found.append(f"{agent} is in {len(own)} sessions")
            for session in own:
                sessions[session].add(agent)
        return found + [
            f"{' and '.join(sorted(shared))} share a session" for shared in sessions.values() if len(shared) > 1
        ]

    @property
    def faults(self) -> list[str]:
        """What is not as it must be; empty if all is right."""
        if self.problem:
            return [self.problem]
        faults = []
        if self.recognised_by != [self.client.recognised_by]:
            faults.append(f"recognised by {', '.join(self.recognised_by)}")
        for agent, requests in self.of_agents.items():
            if len(requests) < min(self.turns, 4):
                faults.append(f"{agent} made only {len(requests)} requests")
            if self.client.ends_session and agent not in self.ended:
                faults.append(f"{agent} has not ended its session")
        return faults + (self.unstable if self.client.recognised_by != BY_NOTHING else [])

    @property
    def is_right(self) -> bool:
        """Whether all is as it must be, or the client cannot be installed here."""
        return not self.faults or self.problem.startswith(NOT_HERE)

    @property
    def verdict(self) -> str:
        """For a line of progress."""
        return "; ".join(self.faults) or "right"


def table(rows: Iterable[Row]) -> str:
    """The table in Markdown, and below it what was not as it must be."""
    rows = list(rows)
    with_end = any(row.client.ends_session for row in rows)
    head = (*HEAD, ENDED) if with_end else HEAD
    lines = [f"| {' | '.join(head)} |", "|" + " --- |" * len(head)]
    notes = []
    for row in rows:
        counts = sorted({len(requests) for requests in row.of_agents.values()})
        requests = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}" if counts else "-"
        stable = "no" if row.faults or row.unstable else "yes"
        cells = [row.client.title, row.version or "-", ", ".join(row.recognised_by) or "-", requests, stable]
        if row.problem:
            cells[2:] = [row.problem if row.is_right else "-", "-", "-"]
        cells += [*_trouble(row.trouble), row.client.helps]
        if with_end:
            cells.append(f"{len(set(row.ended) & row.of_agents.keys())} of {len(row.of_agents)}")
        lines.append(f"| {' | '.join(cells)} |")
        if not row.is_right:
            notes.append(f"- {row.client.title}: {row.verdict}")
    return "\n".join([*lines, "", *notes]).strip()


def _trouble(trouble: Trouble | None) -> tuple[str, str]:
    if trouble is None or trouble.refused_at is None:
        return "-", "-"
    if trouble.came_back_s is None:
        return "gives up", "-"
    return f"comes back after {trouble.came_back_s:.1f} s", "waits" if trouble.waited else "leaves"
