"""One request of an agent, and when what became of it."""

from collections.abc import Callable

from concur_proxy.lab.simulation.plan import AgentPlan


class Request:
    """From the agent's sending it to the end of its answer; times in seconds of the run, None until they come."""

    __slots__ = (
        "admitted_at",
        "answer_tokens",
        "cached_tokens",
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
        history_tokens: int,
        prompt_tokens: int,
        answer_tokens: int,
        is_last: bool,
        sent_at: float,
        on_done: Callable[["Request"], None],
        side: int = 0,
    ) -> None:
        self.plan = plan
        self.history_tokens = history_tokens
        """What of the prompt the session had already computed once."""
        self.prompt_tokens = prompt_tokens
        self.answer_tokens = answer_tokens
        self.is_last = is_last
        self.sent_at = sent_at
        self.on_done = on_done
        self.side = side
        """Which side request of its turn it is, from 1; 0 for the main one."""
        self.refusals = 0
        """How often the gateway refused it before."""
        self.admitted_at: float | None = None
        self.first_at: float | None = None
        """The answer's first token."""
        self.cached_tokens = 0
