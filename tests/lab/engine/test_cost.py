import pytest

from concur_proxy.lab.engine.cost import CostModel


def test_a_step_takes_its_constant_and_the_time_of_its_work() -> None:
    cost = CostModel(step_s=0.01, prefill_tokens_s=1000, decode_s=0.001)
    assert cost.duration_s(prefill_tokens=0, decoding=0) == 0.01
    assert cost.duration_s(prefill_tokens=500, decoding=20) == pytest.approx(0.53)


@pytest.mark.parametrize("wrong", [{"step_s": 0}, {"prefill_tokens_s": 0}, {"decode_s": -1}])
def test_a_time_that_cannot_be_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be more than 0"):
        CostModel(**wrong)
