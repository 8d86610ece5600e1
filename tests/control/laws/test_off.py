from concur_proxy.control.laws import off, tokens
from concur_proxy.control.signal import CongestionSignal


def test_it_decides_as_the_default_does_and_holds_nobody() -> None:
    options = {"factor": 0.9, "step": 0.1}
    observing, enforcing = off.build(options), tokens.build(options)
    assert (observing.enforces, enforcing.enforces) == (False, True)
    signals = [
        CongestionSignal(now=0.0, kv_usage=0.1, capacity_tokens=1000, queued_sessions=1),
        CongestionSignal(
            now=1.0, kv_usage=0.9, capacity_tokens=1000, prefilled_tokens=2000, told_tokens=100, lost_tokens=50
        ),
        CongestionSignal(now=2.0, kv_usage=0.3, capacity_tokens=1000),
    ]
    assert [observing.on_signal(signal) for signal in signals] == [enforcing.on_signal(signal) for signal in signals]
    assert observing.on_overload(now=3.0) == enforcing.on_overload(now=3.0)
