"""A window by latency, as TCP Vegas has it (Brakmo and Peterson 1995) and Netflix' concurrency-limits after it.

With T the mean service time of this interval's answers, per token that they read or wrote, and T0 the least so far,

    queue = W (1 - T0 / T)

estimates how many of the W active sessions only wait for each other:

    queue < alpha    W <- W + 1
    queue > beta     W <- W - 1
    otherwise        W

A baseline: a busy engine is slower without any harm done, so latency says less of the cache than what was lost does.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from concur_proxy.control.law import Decision
from concur_proxy.control.options import OptionValue, read_options, require
from concur_proxy.control.signal import CongestionSignal
from concur_proxy.control.window import SessionWindow


@dataclass(frozen=True, slots=True, kw_only=True)
class VegasOptions:
    """Options of `vegas`."""

    alpha: float = 3.0
    """Sessions that may queue without stopping growth."""
    beta: float = 6.0
    initial: float = 8.0
    minimum: float = 1.0
    maximum: float = 1024.0

    def __post_init__(self) -> None:
        rules = {
            "options must keep 0 <= alpha <= beta": 0 <= self.alpha <= self.beta,
            "options must keep 1 <= minimum <= initial <= maximum": 1 <= self.minimum <= self.initial <= self.maximum,
        }
        require(rules)


class Vegas:
    """Grows while answers are about as fast as they ever were."""

    enforces = True

    def __init__(self, options: VegasOptions) -> None:
        self._options = options
        self._window = SessionWindow(options.initial, minimum=options.minimum, maximum=options.maximum)
        self._least_s: float | None = None

    @property
    def window(self) -> float:
        """Sessions that may be active."""
        return self._window.sessions

    def on_signal(self, signal: CongestionSignal) -> Decision:
        """Apply the rule above to one interval."""
        time_s = signal.answer_s
        if time_s is None or time_s <= 0:
            return self._window.hold("no answer ended")
        self._least_s = time_s if self._least_s is None else min(self._least_s, time_s)
        queue = self._window.sessions * (1 - self._least_s / time_s)
        if queue > self._options.beta:
            return self._window.move(self._window.sessions - 1, f"queue {queue:.1f}")
        if queue < self._options.alpha and signal.active_sessions + 1 > self._window.sessions:
            return self._window.move(self._window.sessions + 1, f"queue {queue:.1f}")
        return self._window.hold(f"queue {queue:.1f}")

    def on_overload(self, *, now: float) -> Decision:  # noqa: ARG002 - the interface's argument
        """The engine refused a request: one session less."""
        return self._window.move(self._window.sessions - 1, "engine refused a request")

    def save(self) -> dict[str, float]:
        """The window."""
        return {"window": self._window.sessions}

    def resume(self, state: Mapping[str, float]) -> None:
        """Go on from there."""
        self._window.move(state.get("window", self._window.sessions), "resumed")


def build(options: Mapping[str, OptionValue]) -> Vegas:
    """The law with `options`, see `VegasOptions`."""
    return Vegas(read_options(VegasOptions, options))
