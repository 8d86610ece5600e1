"""Decides which window is in force: the law's, the one that an operator set, or the fallback.

The law's window is in force while signals are fresh. While signals are stale, the window stays unchanged. When no
signal has come for too long, or the law fails, a fixed fallback window takes over, so that a gateway without metrics
still serves requests. A window that an operator set stays in force, with or without signals, until it is released.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from concur_proxy.control.law import Budget, ControlLaw, Decision, DecisionKind, ResumableLaw
from concur_proxy.control.phrasing import duration
from concur_proxy.control.signal import CongestionSignal


@dataclass(frozen=True, slots=True, kw_only=True)
class GovernorOptions:
    """Limits on the age of the newest signal, in seconds."""

    stale_after_s: float = 5.0
    """Above this age the signal is stale, and the window stays unchanged."""
    fail_open_after_s: float = 15.0
    """Above this age the fallback window takes over."""
    fallback_window: float = 256.0
    """Sessions that may be active while the fallback window is in force."""


class WindowGovernor:
    """Applies a law's decisions to the window of one engine, unless the law fails or signals are missing."""

    def __init__(
        self,
        *,
        law: ControlLaw,
        options: GovernorOptions,
        now: float,
        on_failure: Callable[[Exception], None] = lambda _: None,
    ) -> None:
        """`on_failure` is called with each error that a law raises."""
        self._law = law
        self._options = options
        self._heard_at = now
        self._has_heard = False
        self._on_failure = on_failure
        try:
            self._window = law.window
        except Exception as error:  # noqa: BLE001 - see on_signal
            self._on_failure(error)
            self._window = options.fallback_window
        self._budget: Budget | None = None
        self._manual = False

    @property
    def is_manual(self) -> bool:
        """Whether an operator set the window. It stays unchanged until `release`."""
        return self._manual

    @property
    def window(self) -> float:
        """The window in force, in sessions."""
        return self._window

    @property
    def budget(self) -> Budget | None:
        """The token budget in force, if any."""
        return self._budget

    @property
    def has_heard(self) -> bool:
        """Whether any usable signal has come since the start."""
        return self._has_heard

    def signal_age_s(self, *, now: float) -> float:
        """Seconds since the newest usable signal, or since the start if there has been no signal."""
        return now - self._heard_at

    def is_stale(self, *, now: float) -> bool:
        """Whether the newest signal is too old for a decision."""
        return not self._has_heard or self.signal_age_s(now=now) > self._options.stale_after_s

    def save(self) -> dict[str, float]:
        """What the law has learnt; empty if the law cannot save its state."""
        try:
            return self._law.save() if isinstance(self._law, ResumableLaw) else {}
        except Exception as error:  # noqa: BLE001 - see on_signal
            self._on_failure(error)
            return {}

    def resume(self, state: Mapping[str, float], *, window: float, budget: Budget | None, now: float) -> None:
        """Continue for another process: take over its windows and what its law has learnt.

        A window that an operator set here stays in force. If the law fails, it goes on with what it has learnt itself.
        """
        if isinstance(self._law, ResumableLaw):
            try:
                self._law.resume(state)
            except Exception as error:  # noqa: BLE001 - see on_signal; the law learns from the start
                self._on_failure(error)
        if not self._manual:
            self._window, self._budget = window, budget
        self._heard_at = now
        self._has_heard = False

    def set_manual(self, window: float, budget: Budget | None) -> Decision:
        """Keep this window until `release`. Until then the law sees no signals.

        Raises `ValueError` for a window below 1.
        """
        if not window >= 1:  # true of NaN as well
            raise ValueError(f"a window must be 1 or more, not {window:g}")
        self._manual, self._window, self._budget = True, window, budget
        return self._keep_manual()

    def release(self) -> Decision:
        """Let the law move the window again, from its next decision on."""
        self._manual = False
        return self._keep(DecisionKind.HOLD, "back to automatic control")

    def follow(self, law: ControlLaw) -> Decision:
        """Replace the law. The window stays unchanged until the new law's first decision."""
        self._law = law
        return self._keep(DecisionKind.HOLD, "another control law takes over")

    def on_signal(self, signal: CongestionSignal) -> Decision:
        """Decide on a new signal. A signal without KV usage counts as missing: it says nothing about the cache."""
        if signal.kv_usage is None:
            return self._without_signal(signal.now, "the engine's metrics have no KV cache usage")
        self._heard_at = signal.now
        self._has_heard = True
        if self._manual:
            return self._keep_manual()
        try:
            return self._take(self._law.on_signal(signal))
        except Exception as error:  # noqa: BLE001 - a law, possibly a plug-in, must never stop the gateway
            self._on_failure(error)
            return self._fall_back(f"the control law failed ({type(error).__name__}: {error})")

    def on_overload(self, *, now: float) -> Decision:
        """Decide after the engine refused a request with 429 or 503."""
        if self._manual:
            return self._keep_manual()
        try:
            decision = self._law.on_overload(now=now)
            if self._is_open(now):
                # The law remembers the refusal. Its window cannot be used now: the next missing signal would undo it.
                return self._fall_back(f"{decision.reason}, but its metrics cannot be read")
            return self._take(decision)
        except Exception as error:  # noqa: BLE001 - see on_signal
            self._on_failure(error)
            return self._fall_back(f"the control law failed ({type(error).__name__}: {error})")

    def on_silence(self, *, now: float, reason: str) -> Decision:
        """Decide when the metrics could not be read in this interval; `reason` says what went wrong."""
        return self._without_signal(now, f"cannot read metrics ({reason})")

    def _without_signal(self, now: float, reason: str) -> Decision:
        if self._manual:
            return self._keep_manual()
        age = self.signal_age_s(now=now)
        if self._is_open(now):
            return self._fall_back(f"{reason}; no signal for {duration(age)}")
        return self._keep(DecisionKind.FREEZE if age > self._options.stale_after_s else DecisionKind.HOLD, reason)

    def _keep_manual(self) -> Decision:
        return self._keep(DecisionKind.FREEZE, "set manually")

    def _keep(self, kind: DecisionKind, reason: str) -> Decision:
        return Decision(kind=kind, window=self._window, reason=reason, budget=self._budget)

    def _is_open(self, now: float) -> bool:
        return self.signal_age_s(now=now) > self._options.fail_open_after_s

    def _take(self, decision: Decision) -> Decision:
        if not isinstance(decision, Decision):
            raise TypeError(f"it returned {type(decision).__name__} instead of a Decision")
        if not decision.window >= 1:  # true of NaN as well
            return self._fall_back(f"the control law returned a window of {decision.window:g}, which is below 1")
        self._window, self._budget = decision.window, decision.budget
        return decision

    def _fall_back(self, reason: str) -> Decision:
        self._window, self._budget = self._options.fallback_window, None
        return Decision(kind=DecisionKind.FALLBACK, window=self._window, reason=reason)
