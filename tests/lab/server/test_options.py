import pytest

from concur_proxy.lab.server.options import EmulatorOptions


def test_sizes_and_costs_reach_the_engine_model() -> None:
    options = EmulatorOptions(capacity_tokens=640, block_tokens=32, max_sequences=3, step_s=0.5)
    assert (options.shape.blocks, options.shape.max_sequences, options.shape.cost.step_s) == (20, 3, 0.5)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"flavour": "trt"}, "--flavour must be one of sglang, vllm, not 'trt'"),
        ({"time_scale": 0.0}, "--time-scale must be more than 0"),
        ({"answer_tokens": 0}, "--answer-tokens must be 1 or more"),
        ({"tool_turns": -1}, "--tool-turns must be 0 or more"),
        ({"model": ""}, "--model must not be empty"),
        ({"capacity_tokens": 16}, "capacity_tokens must be at least two blocks"),
        ({"step_s": -1.0}, "must be more than 0"),
    ],
)
def test_a_wrong_option_is_an_error(wrong: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        EmulatorOptions(**wrong)  # type: ignore[arg-type]
