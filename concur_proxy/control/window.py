"""A window in sessions, as the laws that count them move it."""

from concur_proxy.control.law import Decision, DecisionKind


class SessionWindow:
    """How many sessions may be active, within bounds; every change is a decision with its reason."""

    def __init__(self, sessions: float, *, minimum: float, maximum: float) -> None:
        self.sessions = sessions
        self._minimum = minimum
        self._maximum = maximum

    def move(self, sessions: float, reason: str) -> Decision:
        """Set the window as near to `sessions` as its bounds allow."""
        before, self.sessions = self.sessions, min(max(sessions, self._minimum), self._maximum)
        if self.sessions == before:
            return self.hold(f"{reason}: at its bound")
        kind = DecisionKind.INCREASE if self.sessions > before else DecisionKind.DECREASE
        return Decision(kind=kind, window=self.sessions, reason=reason)

    def hold(self, reason: str) -> Decision:
        """Leave it as it is."""
        return Decision(kind=DecisionKind.HOLD, window=self.sessions, reason=reason)
