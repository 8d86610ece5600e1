"""The figures of one arm under one load."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One arm of one load. Times are in seconds."""

    arm: str
    makespan_s: float
    hits: float
    """Share of prompt tokens that the engine found in its cache."""
    computed_tokens: float
    """Prompt tokens that it computed."""
    busy: float | None
    """Share of the time in which the emulated engine computed, by its cost model; None for a real engine."""
    first_token_s: tuple[float, float]
    """p50 and p99."""
    session_s: tuple[float, float]
    """p50 and p99."""
    finished: int
    agents: int
    errors: int
    first_error: str
    cpu_s: float | None
    """CPU time of the gateway's processes; None without a gateway."""
    lag: float | None
    """How much longer the emulated engine's steps took than they should, as a share; None for a real engine."""
    model: str
    """The engine's model. That of a real engine is chosen by the machine's speed."""
    note: str = ""
    version: str = ""
    """Of a peer."""
    commit: str = ""
    at_once: int = 1
    """Arms that ran at the same time, at most."""

    @property
    def is_complete(self) -> bool:
        return self.finished == self.agents
