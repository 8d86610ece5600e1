import pytest

from concur_proxy.admission.ticket import Ticket
from tests.recognition.bodies import API
from tests.recognition.gateway import Gateway, Request
from tests.recognition.traces import Message


class RollOut:
    """An agent without a name that has the same task as others. Its client leaves out all reasoning but the newest."""

    def __init__(self, gateway: Gateway, path: str, name: str, result: str) -> None:
        self._gateway = gateway
        self._path = path
        self._name = name
        self._result = result
        self._messages = [Message("user", "task")]
        self.sessions: list[str] = []

    def begin(self) -> Ticket:
        """Send the next request."""
        body = API[self._path](self._messages, "main", 4, reasons_from=len(self._messages) - 2)
        ticket = self._gateway.ask(Request(path=self._path, body=body))
        self.sessions.append(ticket.session.key)
        return ticket

    def end(self, ticket: Ticket) -> None:
        """Receive the answer, and use a tool."""
        self._gateway.answer(ticket, prompt=1_000, completion=100)
        turn = len(self._messages)
        answer = Message("assistant", f"{self._name} does {turn}", f"{self._name} thinks of {turn}")
        self._messages += [answer, Message("user", f"{self._result} of {turn}")]


def play(agents: list[RollOut], turns: int) -> None:
    for _ in range(turns):
        tickets = [agent.begin() for agent in agents]
        for agent, ticket in zip(agents, tickets, strict=True):
            agent.end(ticket)


@pytest.mark.parametrize("path", API)
def test_roll_outs_of_one_task_keep_their_sessions_when_earlier_reasoning_is_left_out(path: str) -> None:
    gateway = Gateway()
    agents = [RollOut(gateway, path, f"{number}", f"result {number}") for number in range(8)]
    play(agents, 1)
    play(agents[:6], 5)  # the last two remain at the common task
    assert all(len(set(agent.sessions[1:])) == 1 for agent in agents[:6])
    assert len({agent.sessions[-1] for agent in agents}) == 8


def test_equal_results_of_tools_tell_nobody_apart() -> None:
    gateway = Gateway()
    agents = [RollOut(gateway, "/v1/chat/completions", f"{number}", "result") for number in range(2)]
    play(agents, 2)
    known = {agent.sessions[-1] for agent in agents}
    assert len(known) == 2
    assert agents[0].begin().session.key not in known
