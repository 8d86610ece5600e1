from hypothesis import given
from hypothesis import strategies as st

from concur_proxy.lab.server import tokenizer


@given(st.lists(st.text(max_size=40), max_size=6), st.lists(st.text(max_size=40), max_size=6))
def test_a_history_that_goes_on_keeps_its_tokens(history: list[str], more: list[str]) -> None:
    before, after = tokenizer.encode(history), tokenizer.encode([*history, *more])
    assert len(before) % tokenizer.TOKEN_BYTES == 0
    assert after.startswith(before)
    keys = tokenizer.block_keys(before, 4)
    assert tokenizer.block_keys(after, 4)[: len(keys)] == keys


@given(st.integers(1, 300), st.integers(0, 2**32))
def test_an_answer_has_the_tokens_asked_for_however_it_comes_back(tokens: int, seed: int) -> None:
    text = tokenizer.answer(tokens, seed=seed)
    assert tokenizer.encode([text]) == text.encode()
    assert len(text.encode()) == tokens * tokenizer.TOKEN_BYTES
    assert text == tokenizer.answer(tokens, seed=seed)


def test_only_whole_blocks_have_keys() -> None:
    assert tokenizer.block_keys(b"x" * 39, 2) == (b"x" * 8,) * 4
    assert tokenizer.block_keys(b"x" * 7, 2) == ()
