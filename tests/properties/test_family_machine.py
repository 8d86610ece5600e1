"""No schedule of parents and children deadlocks: agents of any depth and width wait for the agents they started."""

from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from concur_proxy.admission.arrival import Answered, Arrival
from concur_proxy.admission.changes import EndSession, Observe, Resize
from concur_proxy.admission.fleet import Fleet
from concur_proxy.admission.gate import SessionGate
from concur_proxy.admission.gate_state import GateOptions
from concur_proxy.admission.lease import FixedLease
from concur_proxy.admission.limits import EngineLoad
from concur_proxy.admission.numbering import Numbers
from concur_proxy.admission.outcome import Outcome
from concur_proxy.admission.session import SessionState
from concur_proxy.admission.ticket import Ticket
from concur_proxy.control.law import Budget
from concur_proxy.recognition.conversations import MOST_PARALLEL
from tests.properties.ledger import Ledger
from tests.recognition.chains import chain

HOLD, TTL, LEASE, MOST_AGENTS = 1e9, 50.0, 4.0, 40
WINDOWS = st.sampled_from([1.0, 1.5, 2.0, 3.0])
BUDGETS = st.none() | st.sampled_from([1.0, 500.0, 3_000.0]).map(lambda tokens: Budget(tokens=tokens))
LOADS = st.none() | st.builds(
    EngineLoad,
    running=st.integers(0, 2),
    waiting=st.sampled_from([0, 0, 1]),
    kv_usage=st.sampled_from([0.0, 0.9]),
    capacity_tokens=st.none() | st.sampled_from([100, 5_000]),
)
WHICH = st.integers(0, 1_000)
NAMING = st.sampled_from(["members", "own keys", "own keys, parent once", "one key", "no name"])
"""How a family's agents are named. `one key`: only their prompts distinguish the children. `no name`: they branch
off from their parents' histories.
"""


@dataclass(eq=False)
class Agent:
    """An agent of a family."""

    name: str
    naming: str
    parent: "Agent | None" = None
    words: list[str] = field(default_factory=list)
    children: list["Agent"] = field(default_factory=list)
    ticket: Ticket | None = None
    turns: int = 0
    is_done: bool = False

    @property
    def root(self) -> "Agent":
        """The family's first agent."""
        return self if self.parent is None else self.parent.root

    @property
    def waits_for_children(self) -> bool:
        """Whether an agent that it has started is not done."""
        return any(not child.is_done for child in self.children)

    @property
    def can_ask(self) -> bool:
        """Whether its next request can come."""
        return not self.is_done and self.ticket is None and not self.waits_for_children

    @property
    def can_be_answered(self) -> bool:
        """Whether its request is in flight and waits for nobody."""
        return self.ticket is not None and self.ticket.is_in_flight and not self.waits_for_children

    def arrival(self) -> Arrival:
        """Its next request."""
        prompt = chain("tools", *self.words)
        root, parent = self.root.name, self.parent
        if self.naming == "no name":
            return Arrival(chain=prompt, hold_s=HOLD)
        if parent is None or self.naming == "one key":
            return Arrival(key=root, chain=prompt, hold_s=HOLD)
        if self.naming == "members":
            above = "" if parent.parent is None else parent.name
            return Arrival(key=root, member=self.name, parent=above, chain=prompt, hold_s=HOLD)
        is_told = self.naming == "own keys" or not self.turns
        return Arrival(key=self.name, parent_key=parent.name if is_told else None, chain=prompt, hold_s=HOLD)


class FamilyMachine(RuleBasedStateMachine):
    """Families of agents at one or two engines, under any window that has room for one family."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.agents: list[Agent] = []
        self.ledger = Ledger()

    @initialize(engines=st.integers(1, 2), window=WINDOWS, work_conserving=st.booleans())
    def open(self, engines: int, window: float, *, work_conserving: bool) -> None:
        options = GateOptions(max_waiting_sessions=100, session_ttl_s=TTL, work_conserving=work_conserving)

        def make_gate(engine: str, numbers: Numbers) -> SessionGate:
            return SessionGate(options=options, lease=FixedLease(LEASE), window=window, engine=engine, numbers=numbers)

        self.fleet = Fleet(engines=["one", "two"][:engines], make_gate=make_gate)

    # -- what agents do

    @rule(naming=NAMING)
    def begin_a_family(self, naming: str) -> None:
        name = f"f{len(self.agents)}"
        self._ask(self._add(Agent(name, naming, words=[name])))

    @precondition(lambda self: any(agent.can_ask for agent in self.agents))
    @rule(which=WHICH)
    def ask(self, which: int) -> None:
        self._ask(self._pick(which, [agent for agent in self.agents if agent.can_ask]))

    @precondition(lambda self: any(agent.can_be_answered for agent in self.agents))
    @rule(which=WHICH, prompt=st.none() | st.integers(1, 3_000), gone=st.sampled_from([False, False, False, True]))
    def answer(self, which: int, prompt: int | None, *, gone: bool) -> None:
        self._answer(self._pick(which, [agent for agent in self.agents if agent.can_be_answered]), prompt, gone=gone)

    @precondition(lambda self: any(self._can_start_another(agent) for agent in self.agents))
    @rule(which=WHICH, count=st.integers(1, 4))
    def start_sub_agents(self, which: int, count: int) -> None:
        """An agent starts others between two turns, or while its request is in flight, and waits for them."""
        parent = self._pick(which, [agent for agent in self.agents if self._can_start_another(agent)])
        for _ in range(count):
            if not self._can_start_another(parent, or_has=True):
                return
            name = f"c{len(self.agents)}"
            words = [*parent.words[:-1], name] if parent.naming == "no name" else [name]
            child = self._add(Agent(name, parent.naming, parent, words))
            parent.children.append(child)
            self._ask(child)

    @precondition(lambda self: any(agent.can_ask and agent.turns for agent in self.agents))
    @rule(which=WHICH, says_so=st.booleans())
    def be_done(self, which: int, *, says_so: bool) -> None:
        self._be_done(self._pick(which, [agent for agent in self.agents if agent.can_ask and agent.turns]), says_so)

    # -- what else happens

    @rule(window=WINDOWS, budget=BUDGETS)
    def resize(self, window: float, budget: Budget | None) -> None:
        for engine in self.fleet.gates:
            self.ledger.decided(self.fleet.apply(Resize(engine=engine, window=window, budget=budget), now=self.now))

    @rule(load=LOADS)
    def observe(self, load: EngineLoad | None) -> None:
        for engine in self.fleet.gates:
            self.ledger.decided(self.fleet.apply(Observe(engine=engine, load=load), now=self.now))

    @rule(seconds=st.sampled_from([0.0, 1.0, LEASE, TTL]))
    def let_time_pass(self, seconds: float) -> None:
        self.now += seconds
        self.ledger.decided(self.fleet.expire(now=self.now))

    # -- what must be so

    @invariant()
    def ledger_and_gates_agree(self) -> None:
        if hasattr(self, "fleet"):
            self.ledger.check(self.fleet.gates.values(), share_prompts=True)

    @invariant()
    def no_child_waits_for_a_place_that_its_family_holds(self) -> None:
        for agent in self.agents:
            if agent.ticket is not None and agent.ticket.is_held:
                above = agent.parent
                while above is not None:
                    assert above.ticket is None or not above.ticket.is_in_flight, "its parent waits for it"
                    above = above.parent
                session = agent.ticket.session
                assert session.state is not SessionState.ACTIVE or session.pausing

    def teardown(self) -> None:
        """From the state that was reached, all agents can be done. Nobody says that a session has ended."""
        if not hasattr(self, "fleet"):
            return
        for _ in range(20 * len(self.agents) + 20):
            for agent in self.agents:
                if agent.can_be_answered:
                    self._answer(agent, 100)
                elif agent.can_ask and agent.turns:
                    self._be_done(agent, says_so=False)
                elif agent.can_ask:
                    self._ask(agent)
            deadline = self.fleet.next_deadline()
            if deadline is not None and not self.ledger.in_flight:
                self.now = max(self.now, deadline)
                self.ledger.decided(self.fleet.expire(now=self.now))
        assert all(agent.is_done for agent in self.agents), "a deadlock"

    # -- parts

    def _add(self, agent: Agent) -> Agent:
        self.agents.append(agent)
        return agent

    def _can_start_another(self, agent: Agent, *, or_has: bool = False) -> bool:
        """Whether an agent may start a sub-agent. More of them than `MOST_PARALLEL` at once under one key, and without
        any other name, are taken for conversations that have nothing in common.
        """
        family = [each for each in self.agents if each.root is agent.root]
        if agent.naming == "one key" and sum(each.ticket is not None for each in family) >= MOST_PARALLEL:
            return False
        if agent.naming == "no name" and agent.ticket is not None:
            return False  # nobody knows that it waits, if the gateway has forgotten its history
        is_in_flight = agent.ticket is not None and agent.ticket.is_in_flight
        is_between_turns = agent.turns > 0 and (agent.can_ask or or_has)
        return len(self.agents) < MOST_AGENTS and (is_in_flight or is_between_turns)

    def _ask(self, agent: Agent) -> None:
        ticket, decided = self.fleet.arrive(agent.arrival(), now=self.now)
        self.ledger.arrived(ticket, decided)
        agent.ticket = ticket

    def _answer(self, agent: Agent, prompt: int | None, *, gone: bool = False) -> None:
        ticket = agent.ticket
        assert ticket is not None
        answered = Answered(prompt_tokens=prompt, first_token_s=0.1, client_gone=gone)
        self.ledger.finished(ticket, self.fleet.finish(ticket, answered, now=self.now))
        assert ticket.outcome is Outcome.ADMITTED
        agent.ticket, agent.turns = None, agent.turns + 1
        if not gone:
            agent.words += [f"answer {agent.name} {agent.turns}", f"result {agent.turns}"]

    def _be_done(self, agent: Agent, says_so: bool) -> None:  # noqa: FBT001
        agent.is_done = True
        if says_so and agent.naming != "no name":
            key = agent.name if agent.naming.startswith("own") else agent.root.name
            if agent.parent is None or key == agent.name:
                self.ledger.decided(self.fleet.apply(EndSession(key=key), now=self.now))

    def _pick(self, which: int, agents: list[Agent]) -> Agent:
        return agents[which % len(agents)]


TestFamilies = FamilyMachine.TestCase
TestFamilies.settings = settings(max_examples=30, stateful_step_count=30, deadline=None)
