import pytest

from concur_proxy.lab.recorded.threads import Prompt, threads_of


def prompts(*rows: tuple[float, list[int]], seconds: float = 3.0) -> list[Prompt]:
    return [Prompt(at=at, ended_at=at + seconds, ids=ids) for at, ids in rows]


@pytest.mark.parametrize(
    ("rows", "numbers"),
    [
        ([(0, [1, 2]), (5, [1, 2, 3]), (10, [1, 2, 9, 4])], [0, 0, 0]),
        ([(0, [1, 2, 3]), (5, [1, 9]), (10, [1, 9, 8])], [0, 0, 0]),
        ([(0, [1, 2, 3]), (5, [8]), (10, [1, 2, 3, 4])], [0, 1, 0]),
        ([(0, [1, 2, 3]), (1, [1, 2, 3, 4]), (9, [1, 2, 3, 4, 5])], [0, 0, 0]),
        ([(0, [1, 2, 3]), (0.5, [1, 2, 7]), (9, [1, 2, 3, 4]), (9, [1, 2, 7, 8])], [0, 1, 0, 1]),
        ([], []),
    ],
    ids=["the last block changes", "compaction", "a call in between", "rounded times", "at one time", "nothing"],
)
def test_prompts_belong_to_the_thread_that_they_extend(rows: list[tuple[float, list[int]]], numbers: list[int]) -> None:
    assert threads_of(prompts(*rows)) == numbers
