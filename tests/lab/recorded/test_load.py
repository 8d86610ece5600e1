import json
from pathlib import Path

import pytest

from concur_proxy.lab.recorded.load import Trace, WorkingSets
from concur_proxy.lab.recorded.request import TraceProblem
from concur_proxy.lab.simulation.experiment import Experiment
from concur_proxy.lab.simulation.policy import POLICIES


def _line(session: str, at: float, prompt: int, completion: int, duration: float = 2.0) -> str:
    return json.dumps(
        {
            "session": session,
            "turn": 0,
            "at": at,
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "cached_tokens": None,
            "held_s": 0.0,
            "duration_s": duration,
        }
    )


def test_a_trace_becomes_agents(tmp_path: Path) -> None:
    path = tmp_path / "load.jsonl"
    lines = [_line("a", 1.0, 100, 20), _line("b", 4.0, 50, 10), _line("a", 6.5, 180, 30), _line("a", 9.0, 190, 5)]
    path.write_text("\n".join(lines) + "\n")
    (load,) = Trace(path).loads()
    scenario = load.scenario
    (population,) = scenario.populations
    first, second = population.plans(None, kind=0, numbers=iter(()), most_tokens=0)  # type: ignore[arg-type]
    assert (first.start_s, second.start_s) == (0.0, 3.0), "time begins with the first request"
    turns = [(turn.new_tokens, turn.answer_tokens, turn.dropped_tokens, turn.gap_s) for turn in first.turns]
    # the third prompt was shorter than the history, but longer than the second one: its answer was not all sent back
    assert turns == [(100, 20, 0, 3.5), (60, 30, 20, 0.5), (1, 5, 0, 0.0)]
    assert Experiment(scenario, POLICIES["tokens"], 1).run().requests == 4


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no request"),
        ("{}\n", "line 1 is not a request as serve --record writes it"),
        (_line("a", 0.0, 1, 1) + "\nnonsense\n", "line 2 is not a request as serve --record writes it"),
        ('{"session": "a", "at": "soon"}', "line 1"),
        ("[1]", "line 1"),
        (_line("a", 0.0, 5_000, 2_000_000_000), "a request has 2,000,005,000 tokens"),
    ],
)
def test_what_is_no_trace_is_told_in_a_line(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(text)
    with pytest.raises(TraceProblem, match=says) as problem:
        Trace(path)
    assert "\n" not in str(problem.value)


def test_a_missing_file_and_a_session_too_large_are_told(tmp_path: Path) -> None:
    with pytest.raises(TraceProblem, match="cannot be read"):
        Trace(tmp_path / "none")
    path = tmp_path / "x.jsonl"
    path.write_text(_line("a", 0.0, 5_000, 10))
    with pytest.raises(TraceProblem, match="larger --capacity-tokens"):
        Trace(path).loads(capacity=2_000)


def test_a_cache_can_be_a_multiple_of_the_working_set(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    lines = [_line("a", 0.0, 5_000, 100), _line("b", 1.0, 3_000, 100), _line("c", 50.0, 4_000, 100)]
    path.write_text("\n".join(lines))
    trace = Trace(path)
    (load,) = trace.loads(capacity=WorkingSets(2.0))
    assert load.working_set_tokens == 8_200, "the third session began after the others had ended"
    assert load.capacity_tokens == 16_400
    with pytest.raises(TraceProblem, match="exceeds the cache of 4100"):
        trace.loads(capacity=WorkingSets(0.5))


def test_a_pace_shortens_what_lies_between_answers_and_requests(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    lines = [_line("a", 0.0, 100, 20), _line("b", 4.0, 50, 10), _line("a", 12.0, 180, 30)]
    path.write_text("\n".join(lines))
    (load,) = Trace(path).loads(pace=0.1)
    (population,) = load.scenario.populations
    first, second = population.plans(None, kind=0, numbers=iter(()), most_tokens=0)  # type: ignore[arg-type]
    assert [first.turns[0].gap_s, second.start_s] == pytest.approx([1.0, 0.4])


def test_few_requests_show_no_speeds(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(_line("a", 0.0, 100, 20))
    (load,) = Trace(path).loads()
    assert load.speeds.answers == 0
