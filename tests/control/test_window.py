from concur_proxy.control.law import DecisionKind
from concur_proxy.control.window import SessionWindow


def test_it_moves_within_its_bounds_and_says_so() -> None:
    window = SessionWindow(4.0, minimum=2.0, maximum=6.0)
    up = window.move(9.0, "room")
    assert (up.kind, up.window, up.reason, window.sessions) == (DecisionKind.INCREASE, 6.0, "room", 6.0)
    still = window.move(7.0, "room")
    assert (still.kind, still.window) == (DecisionKind.HOLD, 6.0)
    assert still.reason == "room; the window is already at its maximum"
    down = window.move(0.0, "thrash")
    assert (down.kind, down.window) == (DecisionKind.DECREASE, 2.0)
    assert window.hold("quiet").window == window.sessions == 2.0
