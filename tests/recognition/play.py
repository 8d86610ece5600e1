"""Agents that play recorded sessions against a gateway, interleaved at random, and what should be recognised.

The truth of each request is a pair: the family that it belongs to, and the agent within the family. The rules:

- All requests of one agent are of one family. With the client's names, its sub-agents and side calls belong to that
  family too.
- Without names, a sub-agent or a side call shares no text with its parent but the tools: it is a family of its own. A
  branch of an agent's history, with another last message, is of the agent's family.
- The same request again is of the same agent if the first one failed or is still in flight, or if it is not the
  agent's first request.
- A history that is replaced as a whole, without a name, begins a new family. If its first message stays, it does not,
  unless other sessions have this message too.
- Agents that begin with equal prompts are *twins*: nobody can tell their first requests apart. Each of these must be a
  session of its own, and what follows shows whose it was. What a twin repeats or changes right after these requests is
  not tried: it could as well be another twin's.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field, replace
from random import Random

from concur_proxy.admission.ticket import Ticket
from tests.recognition.bodies import API
from tests.recognition.gateway import Gateway, Request
from tests.recognition.traces import Agent, Message, Turn

Script = Generator[None, None, None]
"""It is continued at a random moment after each `yield`."""
Oddity = Generator[None, None, bool]
"""The same; it returns whether it stands for the turn."""


@dataclass(frozen=True, slots=True)
class Moment:
    """The next turn of an agent."""

    agent: Agent
    number: int
    turn: Turn


@dataclass(frozen=True, slots=True)
class Seen:
    """A request, and where it was found."""

    family: str
    agent: str
    what: str
    found: str
    member: str
    is_twin: bool


@dataclass(slots=True)
class Book:
    """All requests that were seen."""

    seen: list[Seen] = field(default_factory=list)

    def wrong(self) -> list[Seen]:
        """The requests outside of the session that holds most of their family's requests, or outside of the member
        that holds most of their agent's.
        """
        homes: defaultdict[str, Counter[str]] = defaultdict(Counter)
        members: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        for each in self.seen:
            if not each.is_twin:
                homes[each.family][each.found] += 1
                members[each.family, each.agent][each.member] += 1
        home = {family: found.most_common(1)[0][0] for family, found in homes.items()}
        member = {agent: found.most_common(1)[0][0] for agent, found in members.items()}
        twins = Counter(each.found for each in self.seen if each.is_twin)
        return [
            each
            for each in self.seen
            if (twins[each.found] > 1 if each.is_twin else each.found != home[each.family])
            or (not each.is_twin and each.member != member[each.family, each.agent])
        ]

    def merged(self) -> dict[str, set[str]]:
        """The sessions with requests of several families."""
        families: defaultdict[str, set[str]] = defaultdict(set)
        for each in self.seen:
            if not each.is_twin:
                families[each.found].add(each.family)
        return {found: names for found, names in families.items() if len(names) > 1}

    def merged_members(self) -> dict[tuple[str, str], set[str]]:
        """The members with requests of several agents."""
        agents: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        for each in self.seen:
            if not each.is_twin:
                agents[each.found, each.member].add(each.agent)
        return {found: names for found, names in agents.items() if len(names) > 1}

    def share_right(self) -> float:
        """The share of the requests that are where they should be."""
        return 1 - len(self.wrong()) / len(self.seen)

    def report(self) -> str:
        """What went wrong, by kind of request."""
        wrong = Counter(each.what for each in self.wrong())
        rows = Counter(each.what for each in self.seen)
        return f"{self.share_right():.2%} right; " + ", ".join(
            f"{what}: {wrong[what]} of {count} wrong" for what, count in sorted(rows.items())
        )


Names = Callable[[str, str, str], dict[str, str]]
"""The headers of a request by family, agent and the agent's parent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """How a client sends its requests."""

    name: str
    path: str = "/v1/chat/completions"
    headers: Names | None = None
    """None: it names nothing."""
    body: dict[str, object] = field(default_factory=dict)
    """Further fields of its bodies."""
    names_agents: bool = False
    """Whether sub-agents are named, so that each is a member of its own."""


@dataclass(kw_only=True)
class Player:
    """One agent's run."""

    gateway: Gateway
    book: Book
    random: Random
    client: Client
    credential: str
    family: str
    head: str = "main"
    agent: str = ""
    parent: str = ""
    model: str = "m"
    twin_turns: int = 0
    """How many of its first requests other agents send too."""
    oddities: float = 0.0
    """How probably something odd happens at a request."""
    began: int = 0
    """The number of the first turn of its history."""
    reasons_from: int = 0
    """Messages before this one have no reasoning any more."""
    replaced: tuple[int, tuple[Message, ...]] = (0, ())
    """So many first messages of the recorded history were replaced by these."""

    def run(self, agent: Agent) -> Script:
        """All requests of the agent."""
        family = self.family
        for number, turn in enumerate(agent.turns):
            if number and turn.messages[0] != agent.turns[number - 1].messages[0]:  # the history is another one
                self.replaced, self.began = (0, ()), number
                if self.client.headers is None:
                    self.family = f"{family}, {number}"
            children = [child for before, child in agent.children if before == number]
            yield from _together([self._child(child, f"{number}.{i}") for i, child in enumerate(children)], self.random)
            moment = Moment(agent, number, turn)
            odd = self._odd(moment) if self.random.random() < self.oddities else None
            if odd is None or not (yield from odd(moment)):
                yield from self._turn(moment, "turn")

    def _turn(self, moment: Moment, what: str) -> Script:
        turn = moment.turn
        ticket = self._ask(self._messages(turn), moment.agent, what, is_twin=moment.number < self.twin_turns)
        yield
        self.gateway.answer(ticket, prompt=turn.prompt_tokens, completion=turn.answer_tokens)
        yield

    def _messages(self, turn: Turn) -> tuple[Message, ...]:
        count, others = self.replaced
        return others + turn.messages[count:]

    def _ask(
        self, messages: Iterable[Message], agent: Agent, what: str, *, branch: str = "", is_twin: bool = False
    ) -> Ticket:
        render = API[self.client.path]
        body = render(tuple(messages), self.head, agent.head_blocks, reasons_from=self.reasons_from)
        return self._send({**body, "model": self.model}, what, branch=branch, is_twin=is_twin)

    def _send(self, body: dict[str, object], what: str, *, branch: str = "", is_twin: bool = False) -> Ticket:
        headers = {} if self.client.headers is None else self.client.headers(self.family, self.agent, self.parent)
        headers = {**headers, "authorization": f"Bearer {self.credential}"}
        request = Request(path=self.client.path, headers=headers, body={**body, **self.client.body})
        ticket = self.gateway.ask(request)
        agent = self.agent + branch
        self.book.seen.append(Seen(self.family, agent, what, ticket.session.key, ticket.member.name, is_twin))
        return ticket

    # -- what is odd about real clients

    def _odd(self, moment: Moment) -> Callable[[Moment], Oddity] | None:
        number = moment.number
        odd = [self._fails, self._compacts_but_the_first, self._drops_reasoning, self._names_a_title]
        if self.client.headers is not None:
            odd.append(self._compacts_all)
        if number >= max(1, 3 * self.twin_turns) and len(self._messages(moment.turn)) > 1:
            odd += [self._edits, self._branches, self._repeats_in_flight, self._regenerates]
        elif number <= self.twin_turns > 0:
            return None
        return self.random.choice(odd)

    def _fails(self, moment: Moment) -> Oddity:
        for _ in range(self.random.randint(1, 3)):
            ticket = self._ask(self._messages(moment.turn), moment.agent, "failed")
            yield
            self.gateway.fail(ticket)
            yield
        return False

    def _edits(self, moment: Moment) -> Oddity:
        """The user sends a message, reads the answer, and sends another message in its place."""
        *messages, last = self._messages(moment.turn)
        ticket = self._ask((*messages, last.edited("first version")), moment.agent, "edited")
        yield
        self.gateway.answer(ticket, prompt=moment.turn.prompt_tokens, completion=100)
        yield
        return False

    def _regenerates(self, moment: Moment) -> Oddity:
        yield from self._turn(moment, "regenerated")
        return False

    def _repeats_in_flight(self, moment: Moment) -> Oddity:
        first = self._ask(self._messages(moment.turn), moment.agent, "repeated")
        yield
        second = self._ask(self._messages(moment.turn), moment.agent, "repeated")
        yield
        self.gateway.fail(first)
        yield
        self.gateway.answer(second, prompt=moment.turn.prompt_tokens, completion=moment.turn.answer_tokens)
        yield
        return True

    def _branches(self, moment: Moment) -> Oddity:
        """Sub-agents go on from the agent's history while its own request is in flight."""
        main = self._ask(self._messages(moment.turn), moment.agent, "turn")
        yield
        count = self.random.randint(1, 3)
        branches = {
            f"/{moment.number}.{branch}": (
                *self._messages(moment.turn)[:-1],
                Message("user", f"{self.family} {moment.number} part {branch}"),
            )
            for branch in range(count)
        }
        for step in range(3):
            tickets = {}
            for branch, messages in branches.items():
                tickets[branch] = self._ask(messages, moment.agent, "branch", branch=branch)
                yield
            for branch, ticket in tickets.items():
                self.gateway.answer(ticket, prompt=moment.turn.prompt_tokens, completion=50)
                more = (Message("assistant", f"{branch} {step}"), Message("user", f"result {branch} {step}"))
                branches[branch] = (*branches[branch], *more)
                yield
        self.gateway.answer(main, prompt=moment.turn.prompt_tokens, completion=moment.turn.answer_tokens)
        yield
        return True

    def _compacts_but_the_first(self, moment: Moment) -> Oddity:
        if moment.number > self.began + self.twin_turns:
            messages = self._messages(moment.turn)
            summary = Message("user", f"Summary of {self.family} {self.agent} at {moment.number}")
            self.replaced = (len(moment.turn.messages), (messages[0], summary))
            if self.twin_turns and self.client.headers is None:
                self.family = f"{self.family}, {moment.number}"
        yield
        return False

    def _compacts_all(self, moment: Moment) -> Oddity:
        if moment.number > self.began + self.twin_turns:
            summary = Message("user", f"Summary of all {self.family} {self.agent} at {moment.number}")
            self.replaced = (len(moment.turn.messages), (summary,))
        yield
        return False

    def _drops_reasoning(self, moment: Moment) -> Oddity:
        self.reasons_from = len(self._messages(moment.turn))
        yield
        return False

    def _names_a_title(self, moment: Moment) -> Oddity:
        """A small request with another prompt, under the session's name."""
        title = [Message("user", f"Find a title for {self.family} {self.agent} {moment.number}")]
        name = f"{self.family}/title{self.agent}{moment.number}"
        side = self if self.client.headers is not None else replace(self, family=name, agent="")
        side = replace(side, head="title", reasons_from=0, replaced=(0, ()))
        ticket = side._ask(title, Agent(4, ()), "title", branch=f"/title{moment.number}")
        yield
        self.gateway.answer(ticket, prompt=300, completion=10)
        yield
        return False

    def _child(self, child: Agent, number: str) -> Script:
        """A sub-agent runs to its end."""
        name = f"{self.agent or self.family}-{number}"
        is_named = self.client.headers is not None
        player = replace(
            self,
            family=self.family if is_named else name,
            agent=name if is_named else "",
            parent=self.agent,
            head="sub",
            twin_turns=0,
            began=0,
            reasons_from=0,
            replaced=(0, ()),
        )
        return player.run(child)


def _together(scripts: Iterable[Script], random: Random) -> Script:
    running = list(scripts)
    while running:
        at = random.randrange(len(running))
        try:
            next(running[at])
        except StopIteration:
            running.pop(at)
        else:
            yield


def play(scripts: Iterable[Script], random: Random) -> None:
    """Continue the scripts one step at a time, in random order, until all have ended."""
    for _ in _together(scripts, random):
        pass
