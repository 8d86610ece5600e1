"""One call of an engine, from the wait for its admission to its end."""

from types import TracebackType
from typing import Self

from concur_proxy.admission.arrival import Answered, Arrival
from concur_proxy.admission.outcome import Outcome
from concur_proxy.admission.ticket import Ticket
from concur_proxy.coordination.coordinator import Coordinator

UNFINISHED = Answered(client_gone=True)
"""The call failed or was cancelled: its session loses its place at once."""


class NotAdmitted(Exception):  # noqa: N818 - it is not an error of the caller
    """The turn may not begin."""

    def __init__(self, outcome: Outcome, session: str | None) -> None:
        super().__init__(f"session {session}: {outcome.value}")
        self.reason = outcome.value
        """`hold_timeout`: it has waited for `timeout_s`. `queue_full`: more than `max_waiting_sessions` wait.
        `draining`: `Gate.drain` was called.
        """


class Turn:
    """Use it in `async with`, once. The block begins when the turn is admitted."""

    def __init__(self, coordinator: Coordinator, arrival: Arrival) -> None:
        self._coordinator = coordinator
        self._arrival = arrival
        self._ticket: Ticket | None = None
        self._answered: Answered | None = None

    @property
    def engine(self) -> str:
        """The engine to call: its URL, as `Gate` got it. Empty before the block."""
        return "" if self._ticket is None else self._ticket.engine

    @property
    def waited_s(self) -> float:
        """How long the turn has waited for its admission."""
        return 0.0 if self._ticket is None else self._ticket.held_s

    def answered(
        self,
        *,
        prompt_tokens: int | None = None,
        completion_tokens: int | None = None,
        cached_tokens: int | None = None,
        first_token_s: float | None = None,
    ) -> None:
        """Report the engine's answer: what it has counted, and after how many seconds its first token came.

        `cached_tokens` is the part of the prompt that the engine found in its cache. Laws lower the window when it is
        less than the session had there. Leave out what is not known.
        """
        self._answered = Answered(
            prompt_tokens=prompt_tokens,
            completion_tokens=completion_tokens,
            cached_tokens=cached_tokens,
            first_token_s=first_token_s,
        )

    async def __aenter__(self) -> Self:
        """Wait until the turn is admitted. Raises `NotAdmitted`."""
        if self._ticket is not None:
            raise RuntimeError("this turn has begun already: call Gate.turn for each")
        self._ticket = ticket = self._coordinator.arrive(self._arrival)
        try:
            await self._coordinator.wait(ticket)
        except BaseException:
            self._coordinator.finish(ticket, UNFINISHED)
            raise
        if ticket.outcome is not Outcome.ADMITTED:
            self._coordinator.finish(ticket, Answered())
            raise NotAdmitted(ticket.outcome or Outcome.CLIENT_GONE, self._arrival.key)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """The call has ended. Without `answered`, nothing is learned from it."""
        if self._ticket is not None:
            unreported = Answered() if error is None else UNFINISHED
            self._coordinator.finish(self._ticket, self._answered or unreported)
