"""An agent at work: sends, waits for the answer, runs its tool, sends again."""

from collections.abc import Callable

from concur_proxy.lab.simulation.plan import AgentPlan
from concur_proxy.lab.simulation.request import Request
from concur_proxy.lab.simulation.timeline import Timeline

Send = Callable[[Request], None]


class Agent:
    """Follows its plan; the next turn begins a tool call after the last answer of this one."""

    def __init__(self, plan: AgentPlan, timeline: Timeline, send: Send, on_end: Callable[["Agent"], None]) -> None:
        self.plan = plan
        self.began_at = timeline.now
        self._timeline = timeline
        self._send = send
        self._on_end = on_end
        self._turn = 0
        self._history_tokens = 0
        """What has been prompt or answer."""
        self._prompt_tokens = plan.shared_tokens
        self._open = 0

    def step(self) -> None:
        """Send this turn's requests."""
        turn = self.plan.turns[self._turn]
        history = self._history_tokens
        self._prompt_tokens += turn.new_tokens
        self._open = 1 + turn.side_requests
        is_last = self._turn == len(self.plan.turns) - 1
        for side in range(self._open):
            request = Request(
                plan=self.plan,
                history_tokens=history,
                prompt_tokens=self._prompt_tokens,
                answer_tokens=turn.answer_tokens,
                is_last=is_last,
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
        self._prompt_tokens += turn.answer_tokens
        self._history_tokens = self._prompt_tokens
        self._turn += 1
        if self._turn < len(self.plan.turns):
            self._timeline.after(turn.gap_s, self.step)
        else:
            self._on_end(self)
