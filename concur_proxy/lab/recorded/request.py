"""A recorded request: what the replay needs to know about it."""

from dataclasses import dataclass

from concur_proxy.lab.simulation.content import Content


class TraceProblem(Exception):  # noqa: N818 - what is wrong with the file
    """The file cannot be used. The message is one line that says how to fix it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedRequest:
    """One request that was answered. Times are in seconds."""

    session: str
    """A name that means nothing outside the recording."""
    member: str = ""
    """The conversation within the session, such as a sub-agent's; empty for the main agent's."""
    at: float
    """When it arrived: seconds since 1970 if `Recording.has_dates`, else since the recording began."""
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int | None = None
    """Prompt tokens that the engine had in its cache; None if it did not say."""
    duration_s: float
    """From its arrival to the end of its answer, the wait included."""
    wait_s: float = 0.0
    """Its wait for admission."""
    first_token_s: float | None = None
    """From its arrival to the first token; None if the answer was not streamed."""
    is_recognised: bool | None = None
    """Whether the gateway found its session; None if that was not recorded."""
    engine: str = ""
    """Empty if it was not recorded. The same holds for `model` and `tenant`."""
    model: str = ""
    tenant: str = ""
    capacity_tokens: int | None = None
    """Size of the engine's KV cache; None if it was not recorded."""
    content: Content | None = None
    """What the prompt consists of; None if it was not recorded. With it, `session` and `member` are the conversation.
    """
    is_timed: bool = True
    """Whether `duration_s` was recorded. Otherwise it is a guess."""

    @property
    def ended_at(self) -> float:
        """When its answer ended."""
        return self.at + self.duration_s
