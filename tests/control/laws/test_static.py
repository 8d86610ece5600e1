import pytest

from concur_proxy.control.law import DecisionKind
from concur_proxy.control.laws import static
from concur_proxy.control.options import OptionValue
from concur_proxy.control.signal import CongestionSignal


def test_its_window_never_moves() -> None:
    law = static.build({"window": "12"})
    calm = CongestionSignal(now=0.0, kv_usage=0.0, hit_rate=1.0, active_sessions=12)
    thrashing = CongestionSignal(now=1.0, kv_usage=1.0, hit_rate=0.0, active_sessions=12)
    decisions = [law.on_signal(calm), law.on_signal(thrashing), law.on_overload(now=2.0)]
    assert [(decision.kind, decision.window) for decision in decisions] == [(DecisionKind.HOLD, 12.0)] * 3
    assert (law.window, law.enforces) == (12.0, True)


def test_the_default_cap_is_eight() -> None:
    assert static.build({}).window == 8.0


@pytest.mark.parametrize("window", [0, 0.5, -1, "nan"])
def test_a_cap_under_which_nobody_could_pass_is_an_error(window: OptionValue) -> None:
    with pytest.raises(ValueError, match="option window must be 1 or more"):
        static.build({"window": window})
