import json
from pathlib import Path

import pytest

from concur_proxy.lab.recorded.agents import agents_of
from concur_proxy.lab.recorded.mooncake import BLOCK_TOKENS, RequestTrace
from concur_proxy.lab.recorded.request import RecordedRequest, TraceProblem


def line(at_s: float, *ids: int, out: int = 50, rest: int = 100) -> str:
    """A request with these whole blocks and a cut one, which has an id that nothing else has."""
    cut = [hash((at_s, ids)) % 10**9 + 1000]
    length = BLOCK_TOKENS * len(ids) + rest
    return json.dumps(
        {"timestamp": 1000 * at_s, "input_length": length, "output_length": out, "hash_ids": [*ids, *cut]}
    )


def read(path: Path, *lines: str) -> list[RecordedRequest]:
    path.write_text("\n".join(lines) + "\n")
    return sorted(RequestTrace(path).requests(), key=lambda request: request.at)


def sessions(requests: list[RecordedRequest]) -> list[str]:
    return [request.session for request in requests]


def test_a_request_continues_the_session_whose_prompt_it_extends(tmp_path: Path) -> None:
    lines = [line(0, 1, 2), line(1, 9, 8), line(20, 1, 2, 3), line(21, 9, 8, 7, 6), line(40, 1, 2, 3, 4)]
    assert sessions(read(tmp_path / "x", *lines)) == ["1", "2", "1", "2", "1"]


def test_the_longest_prefix_wins(tmp_path: Path) -> None:
    assert sessions(read(tmp_path / "x", line(0, 1), line(1, 1, 2), line(2, 1, 2, 3))) == ["1", "1", "1"]
    forked = [line(0, 1, 2), line(1, 1, 2), line(9, 1, 2, 3), line(19, 1, 2, 4), line(29, 1, 2, 3, 5)]
    assert sessions(read(tmp_path / "x", *forked)) == ["1", "2", "1", "2", "1"], "two roll-outs of one prompt"


def test_a_system_prompt_joins_no_sessions(tmp_path: Path) -> None:
    lines = [line(0, 0, 1), line(1, 0, 2), line(2, 0), line(3, 0, 5, 6)]
    assert len(set(sessions(read(tmp_path / "x", *lines)))) == 4


def test_equal_blocks_are_equal_content_in_all_requests(tmp_path: Path) -> None:
    first, other = read(tmp_path / "x", line(0, 0, 1), line(1, 0, 2))
    assert first.content is not None
    assert other.content is not None
    assert first.content.common_tokens(other.content) == BLOCK_TOKENS


def test_durations_are_guesses_and_think_times_what_is_left(tmp_path: Path) -> None:
    requests = read(tmp_path / "x", line(0, 1), line(10, 1, 2))
    assert not any(request.is_timed for request in requests)
    (plan,) = agents_of(requests).plans
    assert plan.turns[0].gap_s == pytest.approx(10 - requests[0].duration_s)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"timestamp": 0, "input_length": 9, "hash_ids": []}', "line 2: .*`output_length`"),
        ('{"timestamp": 0, "input_length": "9", "output_length": 1, "hash_ids": []}', r"line 2: .*`\$.input_length`"),
        (
            '{"timestamp": 0, "input_length": 1024, "output_length": 1, "hash_ids": [1]}',
            "line 2: hash_ids: has 1 blocks",
        ),
        ('{"timestamp": 0, "input_length": 9, "output_length": 1, "hash_ids": [], "session_id": "a"}', "session_id"),
        ('{"timestamp": 0, "input_le', "line 2: "),
    ],
)
def test_what_is_wrong_is_one_line_with_its_place(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(TraceProblem, match=says) as problem:
        read(tmp_path / "x", line(0, 1), text)
    assert "\n" not in str(problem.value)
