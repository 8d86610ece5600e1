from array import array
from itertools import count

from concur_proxy.lab.simulation.content import Content

BLOCK = 64


def content(*ids: int, tokens: int | None = None) -> Content:
    return Content(
        prompt_tokens=BLOCK * len(ids) if tokens is None else tokens, block_tokens=BLOCK, ids=array("q", ids)
    )


def test_the_common_part_ends_at_the_first_other_block() -> None:
    assert content(1, 2, 3).common_tokens(content(1, 2, 4, 3)) == 2 * BLOCK
    assert content(1, 2).common_tokens(content(1, 2, 3)) == 2 * BLOCK
    assert content(5).common_tokens(content(6)) == 0


def test_an_answer_is_what_the_next_prompt_shows_after_this_one() -> None:
    prompt, following = content(1, 2, tokens=2 * BLOCK + 10), content(1, 2, 3, 4, 5)
    whole = prompt.answered(2 * BLOCK, following=following, kept_tokens=2 * BLOCK, fresh=count(100))
    assert list(whole.ids) == [1, 2, 3, 4, 5]
    part = prompt.answered(2 * BLOCK, following=following, kept_tokens=20, fresh=count(100))
    assert list(part.ids) == [1, 2, 3, 100, 101], "the client left the rest out"


def test_the_answer_of_a_prompt_that_was_edited_is_unknown() -> None:
    answered = content(1, 2).answered(BLOCK + 1, following=content(1, 9, 3), kept_tokens=BLOCK, fresh=count(100))
    assert list(answered.ids) == [1, 2, 100, 101]


def test_keys_are_as_many_as_the_engine_s_whole_blocks() -> None:
    one, other = content(7, 8).keys(100, 16), content(7, 9).keys(128, 16)
    assert (len(one), len(other)) == (6, 8)
    assert one[:4] == other[:4]
    assert not set(one[4:]) & set(other)
    assert content(7).keys(64, 64) == (7,)
