"""A gate's state in numbers."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class GateSnapshot:
    """What a gate looks like at one moment, for metrics, control laws and debugging."""

    window: float
    """How many sessions may be active; `inf` when all may."""
    budget_tokens: float | None
    """What the active sessions' caches may fill; None: anything."""
    active: int
    """Sessions that hold a place."""
    paused: int
    """Sessions that had a place and lost it at a step boundary, waiting for one or silent."""
    queued: int
    """Sessions never admitted yet, waiting or left by their client."""
    waiting: int
    """Sessions with held requests, resuming and new."""
    held: int
    """Requests that wait."""
    in_flight: int
    """Requests at the engine."""
    lasting: int
    """Requests that were at the engine when its gauges were last read, and still are."""
    footprint_tokens: float
    """KV cache that the active sessions need, in tokens."""
    answered_tokens: int
    """Prompt and completion tokens of all answers so far."""
    answering_s: float
    """Seconds that these took, from release to end, summed up."""
    promised_tokens: int
    """Context so far that sessions came back to which had kept their places."""
    told_tokens: int
    """The like, of requests whose answers told what was cached."""
    lost_tokens: int
    """The part of these that the engine had to compute again."""
    prefill_tokens_s: float | None
    """Prompt tokens that the engine can compute in a second, as far as it has shown; None until it has."""
    lease_s: float
    """How long an idle session keeps its place while others wait."""
