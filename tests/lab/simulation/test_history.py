from array import array
from itertools import count

from concur_proxy.lab.simulation.content import Content
from concur_proxy.lab.simulation.history import RecordedHistory
from concur_proxy.lab.simulation.plan import Turn

BLOCK = 64


def turn(*ids: int, answer: int = BLOCK, following: Content | None = None, dropped: int = 0) -> Turn:
    content = prompt(*ids).answered(answer, following=following, kept_tokens=answer - dropped, fresh=count(1000))
    return Turn(new_tokens=1, answer_tokens=answer, dropped_tokens=dropped, content=content)


def prompt(*ids: int) -> Content:
    return Content(prompt_tokens=BLOCK * len(ids), block_tokens=BLOCK, ids=array("q", ids), head_tokens=BLOCK)


def test_a_turn_that_extends_the_one_before_keeps_its_segments() -> None:
    history = RecordedHistory()
    first_turn = turn(1, 2, following=prompt(1, 2, 3, 4))
    first = history.extend(first_turn)
    history.answered(first_turn)
    second = history.extend(turn(1, 2, 3, 4))
    assert (first.history_tokens, second.history_tokens) == (0, 3 * BLOCK)
    (before,), (after,) = first.chains, second.chains
    assert (before.head, len(before), len(after)) == (1, 2, 4), "head, prompt, answer, new message"
    assert after.hashes.startswith(before.hashes)
    assert after.text_from(0) == (4 * 4 * BLOCK, 0)


def test_an_edit_replaces_the_segments_after_it() -> None:
    history = RecordedHistory()
    first_turn = turn(1, 2, 3)
    (before,) = history.extend(first_turn).chains
    history.answered(first_turn)
    edited = history.extend(turn(1, 9, 3, 4))
    (after,) = edited.chains
    assert edited.history_tokens == BLOCK
    assert after.hash_at(0) == before.hash_at(0)
    assert after.hash_at(1) != before.hash_at(1)
    assert len(after) == 2


def test_equal_prompts_of_two_sessions_are_equal() -> None:
    (one,), (other,) = RecordedHistory().extend(turn(1, 2)).chains, RecordedHistory().extend(turn(1, 2)).chains
    assert one == other
    (third,) = RecordedHistory().extend(turn(1, 3)).chains
    assert third.hash_at(0) == one.hash_at(0)
    assert third.hash_at(1) != one.hash_at(1)
