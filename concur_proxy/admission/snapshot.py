"""A gate's state in numbers."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class GateSnapshot:
    """What a gate looks like at one moment, for metrics, control laws and debugging."""

    window: float
    """How many sessions may be active; `inf` for no limit."""
    budget_tokens: float | None
    """How much KV cache the active sessions may fill, tokens; None for no limit."""
    active: int
    """Sessions that hold a place."""
    paused: int
    """Sessions that lost their place at a step boundary and have no place again yet."""
    queued: int
    """Sessions that were never admitted."""
    waiting: int
    """Sessions that wait for a place."""
    apart: int
    """Those of them that are too large for the queue, so that others pass them."""
    held: int
    """Requests that wait."""
    in_flight: int
    """Requests at the engine."""
    lasting: int
    """Requests that were at the engine when its gauges were last read, and still are."""
    footprint_tokens: float
    """KV cache that the active sessions need, in tokens."""
    separate_tokens: float
    """The same if nothing were shared: what several sessions share counts in each of them."""
    answered_tokens: int
    """Prompt and completion tokens of all answers so far."""
    answering_s: float
    """Seconds from release to end, summed over all answers."""
    promised_tokens: int
    """Context of sessions that came back and had kept their places, so far."""
    told_tokens: int
    """The part of `promised_tokens` whose answers reported how much was cached."""
    lost_tokens: int
    """The part of `told_tokens` that the engine had to compute again."""
    prefill_tokens_s: float | None
    """Highest prefill rate that the engine has shown, tokens per second; None until it has shown one."""
    lease_s: float
    """How long an idle session keeps its place while others wait."""
    gives_way: str | None
    """Why nobody has to wait for the window in tokens at present, whatever it is: `lease` if no cache is worth keeping
    between two turns, `no_returns` if hardly any session comes back, `goal` if the goal wants nobody to wait
    at this load. None: sessions wait for the window.
    """
    is_overfull: bool
    """Whether sessions that were admitted while the gate gave way have still to pause, so that more is in the engine's
    cache than the window allows.
    """
