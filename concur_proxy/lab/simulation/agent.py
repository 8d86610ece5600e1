"""An agent at work: it sends a request, waits for the answer, runs its tool or sub-agents, and sends the next one."""

from collections.abc import Callable

from concur_proxy.lab.engine.prefix_cache import BlockKeys
from concur_proxy.lab.simulation.history import GrowingHistory, RecordedHistory
from concur_proxy.lab.simulation.plan import AgentPlan, block_keys
from concur_proxy.lab.simulation.timeline import Timeline
from concur_proxy.recognition.chain import Chain


class Request:
    """One request of an agent. Times are seconds since the start of the run; None until they are known."""

    __slots__ = (
        "admitted_at",
        "answer_tokens",
        "cached_tokens",
        "chain",
        "content",
        "first_at",
        "history_tokens",
        "is_last",
        "on_done",
        "plan",
        "prompt_tokens",
        "refusals",
        "sent_at",
        "side",
    )

    def __init__(
        self,
        *,
        plan: AgentPlan,
        turn: int,
        chain: Chain,
        history_tokens: int,
        prompt_tokens: int,
        sent_at: float,
        on_done: Callable[["Request"], None],
        side: int = 0,
    ) -> None:
        self.plan = plan
        self.is_last = turn == len(plan.turns) - 1
        self.answer_tokens = plan.turns[turn].answer_tokens
        self.content = plan.turns[turn].content
        self.chain = chain
        self.history_tokens = history_tokens
        """The part of the prompt that has been computed before for this session."""
        self.prompt_tokens = prompt_tokens
        self.sent_at = sent_at
        self.on_done = on_done
        self.side = side
        """Number of the side request in its turn, from 1; 0 for the main request."""
        self.refusals = 0
        """How often the gateway has refused the request."""
        self.admitted_at: float | None = None
        self.first_at: float | None = None
        """When the first token of the answer came."""
        self.cached_tokens = 0

    def keys(self, block_tokens: int) -> BlockKeys:
        """The content of prompt and answer: one key for each whole block of this size."""
        tokens = self.prompt_tokens + self.answer_tokens
        if self.content is not None:
            return self.content.keys(tokens, block_tokens)
        return block_keys(self.plan, tokens, block_tokens, side=self.side, side_from=self.history_tokens)


Send = Callable[[Request], None]


class Agent:
    """Follows its plan. The next turn starts one tool call after the last answer of the present turn. If the turn has
    sub-agents, they work first, and the tool call begins when the last of them has ended.
    """

    def __init__(self, plan: AgentPlan, timeline: Timeline, send: Send, on_end: Callable[["Agent"], None]) -> None:
        self.plan = plan
        self.began_at = timeline.now
        self._timeline = timeline
        self._send = send
        self._on_end = on_end
        self._turn = 0
        is_recorded = plan.turns[0].content is not None
        self._history: GrowingHistory | RecordedHistory = RecordedHistory() if is_recorded else GrowingHistory(plan)
        self._open = 0
        """Requests of the present turn without an answer, and sub-agents at work."""

    def step(self) -> None:
        """Send this turn's requests."""
        turn = self.plan.turns[self._turn]
        sent = self._history.extend(turn)
        self._open = len(sent.chains)
        for side, chain in enumerate(sent.chains):
            request = Request(
                plan=self.plan,
                turn=self._turn,
                chain=chain,
                history_tokens=sent.history_tokens,
                prompt_tokens=sent.prompt_tokens,
                sent_at=self._timeline.now,
                on_done=self._answered,
                side=side,
            )
            self._send(request)

    def _answered(self, _: Request) -> None:
        self._open -= 1
        if self._open:
            return
        turn = self.plan.turns[self._turn]
        self._history.answered(turn)
        self._open = len(turn.children)
        for child in turn.children:
            agent = Agent(child, self._timeline, self._send, self._child_ended)
            if child.start_s:
                self._timeline.after(child.start_s, agent.step)
            else:
                agent.step()
        if not turn.children:
            self._go_on()

    def _child_ended(self, _: "Agent") -> None:
        self._open -= 1
        if not self._open:
            self._go_on()

    def _go_on(self) -> None:
        gap_s = self.plan.turns[self._turn].gap_s
        self._turn += 1
        if self._turn < len(self.plan.turns):
            self._timeline.after(gap_s, self.step)
        else:
            self._on_end(self)
