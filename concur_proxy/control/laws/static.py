"""A fixed number of active sessions. It works well only if you know the workload in advance; here it is a baseline."""

from collections.abc import Mapping
from dataclasses import dataclass

from concur_proxy.control.law import Decision, DecisionKind
from concur_proxy.control.options import OptionValue, read_options
from concur_proxy.control.signal import CongestionSignal


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticOptions:
    """Options of `static`."""

    window: float = 8.0
    """Sessions that may be active, at least 1."""

    def __post_init__(self) -> None:
        if not self.window >= 1:  # true of NaN as well
            raise ValueError(f"option window must be 1 or more, not {self.window:g}")


class Static:
    """Never moves its window."""

    enforces = True

    def __init__(self, options: StaticOptions) -> None:
        self.window = options.window

    def on_signal(self, signal: CongestionSignal) -> Decision:  # noqa: ARG002 - the interface's argument
        return self._hold()

    def on_overload(self, *, now: float) -> Decision:  # noqa: ARG002 - the interface's argument
        return self._hold()

    def _hold(self) -> Decision:
        return Decision(kind=DecisionKind.HOLD, window=self.window, reason="the law has a fixed window")


def build(options: Mapping[str, OptionValue]) -> Static:
    """Make the law with the options of `StaticOptions`."""
    return Static(read_options(StaticOptions, options))
