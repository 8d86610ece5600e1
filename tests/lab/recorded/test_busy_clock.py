from concur_proxy.lab.recorded.busy_clock import LONGEST_IDLE_S, BusyClock
from tests.lab.recorded.recordings import request


def test_long_idle_times_are_short_and_short_ones_stay() -> None:
    clock = BusyClock([request("a", 1000.0, 1), request("a", 1061.0, 1), request("b", 90_000.0, 1)])
    assert clock.read(1000.0) == 0.0
    assert clock.read(1061.0) == 61.0
    assert clock.read(90_000.0) == 62.0 + LONGEST_IDLE_S
