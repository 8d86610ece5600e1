"""Which window is in force: the law's, a frozen one, or the fallback, by the age of the signals and the law's
sanity.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from concur_proxy.control.law import Budget, ControlLaw, Decision, DecisionKind, ResumableLaw
from concur_proxy.control.signal import CongestionSignal


@dataclass(frozen=True, slots=True, kw_only=True)
class GovernorOptions:
    """When signals are too old to be acted upon."""

    stale_after_s: float = 5.0
    """Age of the newest signal at which it is stale: the window stays as it is."""
    fail_open_after_s: float = 15.0
    """Age at which the fixed window below takes over."""
    fallback_window: float = 256.0
    """Sessions that may be active without signals."""


class WindowGovernor:
    """Guards the gate against a law without signals, and against a law that fails."""

    def __init__(self, *, law: ControlLaw, options: GovernorOptions, now: float) -> None:
        self._law = law
        self._options = options
        self._heard_at = now
        self._has_heard = False
        self._window = law.window
        self._budget: Budget | None = None
        self._by_hand = False

    @property
    def is_by_hand(self) -> bool:
        """Whether a person has set the window: it stays, whatever signals come or do not."""
        return self._by_hand

    @property
    def window(self) -> float:
        """The window in force."""
        return self._window

    @property
    def budget(self) -> Budget | None:
        """The window in tokens in force, if there is one."""
        return self._budget

    @property
    def has_heard(self) -> bool:
        """Whether any signal has come since the start."""
        return self._has_heard

    def signal_age_s(self, *, now: float) -> float:
        """Seconds since the newest usable signal, or since the start when there was none."""
        return now - self._heard_at

    def is_stale(self, *, now: float) -> bool:
        """Whether the newest signal is too old to be acted upon."""
        return not self._has_heard or self.signal_age_s(now=now) > self._options.stale_after_s

    def save(self) -> dict[str, float]:
        """What the law has learnt, if it can tell."""
        return self._law.save() if isinstance(self._law, ResumableLaw) else {}

    def resume(self, state: Mapping[str, float], *, window: float, budget: Budget | None, now: float) -> None:
        """Go on where another process left off, with what its law had learnt and the windows that are in force, unless
        a person has set them.
        """
        if isinstance(self._law, ResumableLaw):
            self._law.resume(state)
        if not self._by_hand:
            self._window, self._budget = window, budget
        self._heard_at = now
        self._has_heard = False

    def set_by_hand(self, window: float, budget: Budget | None) -> Decision:
        """Keep this window until `release`; the law does not see what comes meanwhile. `ValueError` below 1."""
        if not window >= 1:  # true of NaN as well
            raise ValueError(f"a window must be 1 or more, not {window:g}")
        self._by_hand, self._window, self._budget = True, window, budget
        return self._kept_by_hand()

    def release(self) -> Decision:
        """Let the law move the window again, from its next decision on."""
        self._by_hand = False
        return Decision(kind=DecisionKind.HOLD, window=self._window, reason="released by hand", budget=self._budget)

    def follow(self, law: ControlLaw) -> Decision:
        """Let another law move the window, from its first decision on."""
        self._law = law
        return Decision(kind=DecisionKind.HOLD, window=self._window, reason="another law", budget=self._budget)

    def on_signal(self, signal: CongestionSignal) -> Decision:
        """A signal has come. One without KV usage is as good as none: it tells nothing about the cache."""
        if signal.kv_usage is None:
            return self.on_silence(now=signal.now, reason="the engine exports no KV usage")
        self._heard_at = signal.now
        self._has_heard = True
        if self._by_hand:
            return self._kept_by_hand()
        try:
            decision = self._law.on_signal(signal)
        except Exception as error:  # noqa: BLE001 - a law, maybe a plug-in, must never take the gateway down
            return self._fall_back(f"the law raised {type(error).__name__}: {error}")
        return self._take(decision)

    def on_overload(self, *, now: float) -> Decision:
        """The engine answered 429 or 503."""
        if self._by_hand:
            return self._kept_by_hand()
        try:
            decision = self._law.on_overload(now=now)
        except Exception as error:  # noqa: BLE001 - as above
            return self._fall_back(f"the law raised {type(error).__name__}: {error}")
        if self._is_open(now):
            # The law has taken note, but without signals its window would be undone at the next silent interval.
            return self._fall_back(f"{decision.reason}, without signals")
        return self._take(decision)

    def on_silence(self, *, now: float, reason: str) -> Decision:
        """No usable signal in this interval: act on the age of the last one."""
        if self._by_hand:
            return self._kept_by_hand()
        age = self.signal_age_s(now=now)
        if self._is_open(now):
            return self._fall_back(f"no signal for {age:.0f} s ({reason})")
        kind = DecisionKind.FREEZE if age > self._options.stale_after_s else DecisionKind.HOLD
        return Decision(kind=kind, window=self._window, reason=reason)

    def _kept_by_hand(self) -> Decision:
        return Decision(kind=DecisionKind.FREEZE, window=self._window, reason="set by hand", budget=self._budget)

    def _is_open(self, now: float) -> bool:
        return self.signal_age_s(now=now) > self._options.fail_open_after_s

    def _take(self, decision: Decision) -> Decision:
        if not decision.window >= 1:  # true of NaN as well
            return self._fall_back(f"the law's window was {decision.window}")
        self._window, self._budget = decision.window, decision.budget
        return decision

    def _fall_back(self, reason: str) -> Decision:
        self._window, self._budget = self._options.fallback_window, None
        return Decision(kind=DecisionKind.FALLBACK, window=self._window, reason=reason)
