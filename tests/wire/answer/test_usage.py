import pytest

from concur_proxy.wire.answer.usage import MOST_TOKENS, Usage, plausible


def usage(prompt: int, completion: int = 5, cached: int | None = None) -> Usage:
    return Usage(prompt_tokens=prompt, completion_tokens=completion, cached_tokens=cached)


def test_the_context_is_prompt_and_answer() -> None:
    assert Usage(prompt_tokens=120, completion_tokens=7).context_tokens == 127


@pytest.mark.parametrize("counts", [usage(0, 0), usage(100), usage(100, cached=0), usage(100, cached=100)])
@pytest.mark.parametrize("max_model_len", [None, 100])
def test_what_can_be_true_is_kept(counts: Usage, max_model_len: int | None) -> None:
    assert plausible(counts, max_model_len=max_model_len) is counts


@pytest.mark.parametrize("counts", [usage(10**20), usage(MOST_TOKENS + 1), usage(-1), usage(1, -1), usage(1, 10**20)])
def test_what_cannot_be_true_is_dropped(counts: Usage) -> None:
    assert plausible(counts) is None


def test_no_prompt_is_longer_than_the_models_context() -> None:
    assert plausible(usage(32_769), max_model_len=32_768) is None
    assert plausible(usage(32_769)) is not None
    several_choices = usage(30_000, 4 * 2_000)
    assert plausible(several_choices, max_model_len=32_768) is several_choices
    assert plausible(usage(1, 129 * 32_768), max_model_len=32_768) is None


@pytest.mark.parametrize("cached", [-1, 101, 10**20])
def test_cached_tokens_are_a_part_of_the_prompt(cached: int) -> None:
    assert plausible(usage(100, cached=cached)) == usage(100)
