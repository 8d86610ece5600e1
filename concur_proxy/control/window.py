"""A window in sessions, for the laws that count sessions."""

from concur_proxy.control.law import Decision, DecisionKind


class SessionWindow:
    """The number of sessions that may be active, kept within bounds."""

    def __init__(self, sessions: float, *, minimum: float, maximum: float) -> None:
        self.sessions = sessions
        self._minimum = minimum
        self._maximum = maximum

    def move(self, sessions: float, reason: str) -> Decision:
        """Set the window to `sessions`, or to the bound that is nearest."""
        before, self.sessions = self.sessions, min(max(sessions, self._minimum), self._maximum)
        if self.sessions == before:
            bound = "maximum" if sessions > before else "minimum"
            return self.hold(f"{reason}; the window is already at its {bound}")
        kind = DecisionKind.INCREASE if self.sessions > before else DecisionKind.DECREASE
        return Decision(kind=kind, window=self.sessions, reason=reason)

    def hold(self, reason: str) -> Decision:
        """Leave the window unchanged."""
        return Decision(kind=DecisionKind.HOLD, window=self.sessions, reason=reason)
