from concur_proxy.control.law import DecisionKind
from concur_proxy.control.laws import aimd, off
from concur_proxy.control.signal import CongestionSignal


def test_it_decides_as_aimd_does_and_holds_nobody() -> None:
    options = {"initial": 16, "alpha": 3}
    observing, enforcing = off.build(options), aimd.build(options)
    assert (observing.enforces, enforcing.enforces) == (False, True)
    signals = [
        CongestionSignal(now=0.0, kv_usage=0.1, hit_rate=0.9, active_sessions=16),
        CongestionSignal(now=1.0, kv_usage=0.9, hit_rate=0.1, active_sessions=19),
        CongestionSignal(now=2.0, kv_usage=0.3, hit_rate=0.5, active_sessions=9),
    ]
    decisions = [observing.on_signal(signal) for signal in signals]
    assert decisions == [enforcing.on_signal(signal) for signal in signals]
    assert [decision.kind for decision in decisions] == [
        DecisionKind.INCREASE,
        DecisionKind.DECREASE,
        DecisionKind.HOLD,
    ]
    assert observing.on_overload(now=3.0) == enforcing.on_overload(now=3.0)
