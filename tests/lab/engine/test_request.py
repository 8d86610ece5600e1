import pytest

from concur_proxy.lab.engine.request import EngineRequest


def test_it_prefills_until_all_but_the_newest_token_is_computed() -> None:
    request = EngineRequest(keys=(), prompt_tokens=3, output_tokens=2)
    assert request.is_prefilling
    request.computed, request.generated = 3, 1
    assert not request.is_prefilling
    assert request.known_tokens == 4
    request.computed = 0  # preempted: what was generated is computed again with the prompt
    assert request.is_prefilling


def test_it_is_finished_with_its_last_token() -> None:
    request = EngineRequest(keys=(), prompt_tokens=1, output_tokens=1)
    assert not request.is_finished
    request.generated = 1
    assert request.is_finished


@pytest.mark.parametrize(("prompt", "output"), [(0, 1), (1, 0)])
def test_an_empty_one_is_refused(prompt: int, output: int) -> None:
    with pytest.raises(ValueError, match="at least one"):
        EngineRequest(keys=(), prompt_tokens=prompt, output_tokens=output)
