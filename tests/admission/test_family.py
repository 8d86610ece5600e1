"""What families are charged, on recorded sessions with sub-agents, against a union that is counted by brute force."""

from collections.abc import Generator, Iterable
from random import Random

import pytest

from concur_proxy.admission.changes import EndSession
from concur_proxy.admission.ticket import Ticket
from tests.recognition.bodies import API
from tests.recognition.gateway import Gateway, Request
from tests.recognition.play import Client
from tests.recognition.test_traces import CLIENTS, WITH_SUB_AGENTS
from tests.recognition.traces import BLOCK_TOKENS, Agent, Turn, session

MOST_WRONG = 0.05
NAMED = [client for client in CLIENTS if client.headers is not None]
Block = tuple[str, int]
Script = Generator[None, None, None]


class Truth:
    """What the live agents of all families need: each block that they have in common once, and each answer."""

    def __init__(self) -> None:
        self._agents: dict[tuple[str, str], tuple[str | None, set[Block], float]] = {}

    def begins(self, family: str, agent: str, parent: str | None, blocks: set[Block], tokens: float) -> None:
        """An agent has a new prompt. Agents that it has started are at their end."""
        for name in [name for (of, name), (by, *_) in self._agents.items() if of == family and by == agent]:
            self._forget(family, name)
        self._agents[family, agent] = (parent, blocks, tokens - BLOCK_TOKENS * len(blocks))

    def ends(self, family: str, agent: str, answer_tokens: int) -> None:
        """An agent has its answer."""
        parent, blocks, more = self._agents[family, agent]
        self._agents[family, agent] = (parent, blocks, more + answer_tokens)

    def leaves(self, family: str) -> None:
        """A family has no place any more."""
        for of, name in list(self._agents):
            if of == family:
                del self._agents[of, name]

    def _forget(self, family: str, agent: str) -> None:
        self._agents.pop((family, agent), None)
        for (of, name), (parent, *_) in list(self._agents.items()):
            if of == family and parent == agent:
                self._forget(of, name)

    @property
    def tokens(self) -> float:
        union = set[Block]().union(*(blocks for _, blocks, _ in self._agents.values()))
        return BLOCK_TOKENS * len(union) + sum(more for *_, more in self._agents.values())


class Families:
    """Plays families, and compares the charge with the truth after each event."""

    def __init__(self, client: Client, seed: int) -> None:
        self.gateway = Gateway()
        self.client = client
        self.random = Random(seed)
        self.truth = Truth()
        self.worst = (0.0, "")
        self.events = 0
        self.is_warm = False

    def run(self, agent: Agent, family: str, name: str = "", parent: str | None = None) -> Script:
        """All requests of an agent, whose sub-agents run before its next request."""
        for number, turn in enumerate(agent.turns):
            children = [child for before, child in agent.children if before == number]
            yield from self._together(
                self.run(child, family, f"{name or family}-{number}.{i}", name) for i, child in enumerate(children)
            )
            if not name and self.random.random() < 0.05:
                ticket = self._ask(agent, turn, family, name, parent)
                yield
                self.gateway.fail(ticket)
                self.truth.leaves(family)
                self._check("leave")
                yield
            ticket = self._ask(agent, turn, family, name, parent)
            yield
            self.gateway.answer(ticket, prompt=turn.prompt_tokens, completion=turn.answer_tokens)
            self.truth.ends(family, name, turn.answer_tokens)
            self._check("answer")
            yield
        if not name:
            self.gateway.fleet.apply(EndSession(key=family), now=self.gateway.now)
            self.truth.leaves(family)
            self._check("end")

    def _ask(self, agent: Agent, turn: Turn, family: str, name: str, parent: str | None) -> Ticket:
        head = "main" if parent is None else "sub"
        body = API[self.client.path](turn.messages, head, agent.head_blocks, reasons_from=0)
        assert self.client.headers is not None
        headers = self.client.headers(family, name, parent or "")
        ticket = self.gateway.ask(Request(path=self.client.path, headers=headers, body=body))
        count = agent.head_blocks
        blocks = {(head, number) for number in range(count)} | {(family, each) for each in turn.blocks[count:]}
        self.truth.begins(family, name, None if parent is None else parent, blocks, turn.prompt_tokens)
        self._check("arrival")
        return ticket

    def _together(self, scripts: Iterable[Script]) -> Script:
        running = list(scripts)
        while running:
            at = self.random.randrange(len(running))
            try:
                next(running[at])
            except StopIteration:
                running.pop(at)
            else:
                yield

    def _check(self, event: str) -> None:
        if not self.is_warm:
            return
        self.events += 1
        charged, needed = self.gateway.gate.footprint_tokens, self.truth.tokens
        wrong = abs(charged - needed) / max(needed, 1.0)
        self.worst = max(self.worst, (wrong, f"{event} {self.events}: {charged:.0f} charged, {needed:.0f} needed"))

    def play(self, agents: dict[str, Agent]) -> None:
        """Play these families at once, after another one from which the estimator has learned the size of tokens."""
        for _ in self.run(session(0, "warm", most_turns=30), "warm"):
            pass
        self.is_warm = True
        for _ in self._together([self.run(agent, family) for family, agent in agents.items()]):
            pass


@pytest.mark.parametrize("client", NAMED, ids=lambda client: client.name)
@pytest.mark.parametrize("number", WITH_SUB_AGENTS)
def test_the_charge_is_the_union_of_the_prompts_at_every_event(client: Client, number: int) -> None:
    families = Families(client, seed=number)
    families.play({name: session(number, name) for name in ("one", "two")})
    assert families.events > 50
    assert families.worst[0] <= MOST_WRONG, families.worst
    assert families.gateway.gate.footprint_tokens == 0.0
