"""The interface of a control law, and what it decides."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Protocol, runtime_checkable

from concur_proxy.control.signal import CongestionSignal


class DecisionKind(Enum):
    """What happened to the window. The value is the label of the decision metric."""

    INCREASE = "increase"
    DECREASE = "decrease"
    HOLD = "hold"
    """The law left the window unchanged."""
    FREEZE = "freeze"
    """The law was not asked: an operator set the window, or the signals are stale."""
    FALLBACK = "fallback"
    """The fixed fallback window is in force: the law failed, or signals have been missing for too long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """A window in tokens of KV cache."""

    tokens: float
    """Tokens of cache that all active sessions together may use."""
    reserve_turns: float = 1.0
    """Room to grow, in turns per session. A new session is admitted only if the budget also has room for the growth
    of every active session over this many turns.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A control decision and the reason for it."""

    kind: DecisionKind
    window: float
    """Sessions that may be active after the decision; infinity means that sessions are not counted."""
    reason: str
    """Why, in words for an operator, without the size of the window: "the engine was idle while sessions waited".
    `phrasing.describe` adds what happened to the window.
    """
    budget: Budget | None = None
    """Also limits the tokens of the active sessions; None means that only sessions are counted."""


@runtime_checkable
class ResumableLaw(Protocol):
    """A law whose knowledge can move to another process, for example when another replica becomes the leader."""

    def save(self) -> dict[str, float]:
        """What the law has learnt."""
        ...

    def resume(self, state: Mapping[str, float]) -> None:
        """Take over what `save` returned. A value that is missing or out of bounds is ignored."""
        ...


class ControlLaw(Protocol):
    """Turns congestion signals into a window. Each engine has its own instance, made by `build(options)`."""

    @property
    def window(self) -> float:
        """Sessions that may be active, at least 1."""
        ...

    @property
    def enforces(self) -> bool:
        """False if the window is only reported and no session ever waits for it."""
        ...

    def on_signal(self, signal: CongestionSignal) -> Decision:
        """Decide at the end of a control interval."""
        ...

    def on_overload(self, *, now: float) -> Decision:
        """Decide after the engine refused a request because it was full (HTTP 429 or 503)."""
        ...
