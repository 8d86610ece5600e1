"""A window by latency, after TCP Vegas (Brakmo and Peterson 1995) and Netflix' concurrency-limits.

W is the window in sessions, T the mean service time per token read or written in this interval, and T0 the smallest T
so far, both in seconds. The estimate

    queue = W (1 - T0 / T)

is the number of active sessions that only wait for each other inside the engine:

    queue < alpha    W <- W + 1
    queue > beta     W <- W - 1
    otherwise        W unchanged

This law is a baseline. A busy engine answers more slowly even when nothing is wrong, so latency says less about the
cache than the amount of recomputation does.
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
    """The window grows while the estimated queue is below this, in sessions."""
    beta: float = 6.0
    """The window shrinks while the estimated queue is above this, in sessions."""
    initial: float = 8.0
    """Window before the first signal, in sessions."""
    minimum: float = 1.0
    """The window never falls below this, in sessions."""
    maximum: float = 1024.0
    """The window never rises above this, in sessions."""

    def __post_init__(self) -> None:
        rules = {
            "options must keep 0 <= alpha <= beta": 0 <= self.alpha <= self.beta,
            "options must keep 1 <= minimum <= initial <= maximum": 1 <= self.minimum <= self.initial <= self.maximum,
        }
        require(rules)


class Vegas:
    """Raises the window while answers are about as fast as they ever were."""

    enforces = True

    def __init__(self, options: VegasOptions) -> None:
        self._options = options
        self._window = SessionWindow(options.initial, minimum=options.minimum, maximum=options.maximum)
        self._least_s: float | None = None

    @property
    def window(self) -> float:
        return self._window.sessions

    def on_signal(self, signal: CongestionSignal) -> Decision:
        """Apply the rule above to one interval."""
        time_s = signal.answer_s
        if time_s is None or time_s <= 0:
            return self._window.hold("no answer ended in this interval")
        self._least_s = time_s if self._least_s is None else min(self._least_s, time_s)
        queue = self._window.sessions * (1 - self._least_s / time_s)
        reason = f"latency suggests that {queue:.1f} of the active sessions wait for each other"
        if queue > self._options.beta:
            return self._window.move(self._window.sessions - 1, f"{reason}, more than {self._options.beta:g}")
        if queue < self._options.alpha and signal.active_sessions + 1 > self._window.sessions:
            return self._window.move(self._window.sessions + 1, f"{reason}, fewer than {self._options.alpha:g}")
        return self._window.hold(reason)

    def on_overload(self, *, now: float) -> Decision:  # noqa: ARG002 - the interface's argument
        """Lower the window by one session because the engine refused a request."""
        return self._window.move(self._window.sessions - 1, "the engine refused a request")

    def save(self) -> dict[str, float]:
        return {"window": self._window.sessions}

    def resume(self, state: Mapping[str, float]) -> None:
        self._window.move(state.get("window", self._window.sessions), "resumed")


def build(options: Mapping[str, OptionValue]) -> Vegas:
    """Make the law with the options of `VegasOptions`."""
    return Vegas(read_options(VegasOptions, options))
