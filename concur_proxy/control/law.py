"""The interface of a control law."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Protocol, runtime_checkable

from concur_proxy.control.signal import CongestionSignal


class DecisionKind(Enum):
    """What became of the window; the value is the metric label."""

    INCREASE = "increase"
    DECREASE = "decrease"
    HOLD = "hold"
    FREEZE = "freeze"
    FALLBACK = "fallback"


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """A window in tokens of KV cache beside the one in sessions."""

    tokens: float
    """What the active sessions' caches may fill."""
    reserve_turns: float = 1.0
    """Of how many turns the growth is charged beside each session's footprint before another one is admitted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One control decision with its reason in words, for metrics, logs and people."""

    kind: DecisionKind
    window: float
    """The window after the decision, in sessions."""
    reason: str
    budget: Budget | None = None
    """A window in tokens beside it; None: sessions alone count."""


@runtime_checkable
class ResumableLaw(Protocol):
    """A law that another process can go on with where this one left off."""

    def save(self) -> dict[str, float]:
        """What it has learnt."""
        ...

    def resume(self, state: Mapping[str, float]) -> None:
        """Go on from what `save` told; a value that is missing or out of bounds stays as it is."""
        ...


class ControlLaw(Protocol):
    """Turns congestion signals into a window. One instance an engine; its file is `laws/<name>.py` with a
    `build(options)`.
    """

    @property
    def window(self) -> float:
        """How many sessions may be active, 1 or more."""
        ...

    @property
    def enforces(self) -> bool:
        """False when the window is only reported and holds nobody."""
        ...

    def on_signal(self, signal: CongestionSignal) -> Decision:
        """One control interval has passed."""
        ...

    def on_overload(self, *, now: float) -> Decision:
        """The engine refused a request for want of room (HTTP 429 or 503)."""
        ...
