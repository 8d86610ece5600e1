import json
from pathlib import Path

from concur_proxy.admission.outcome import Outcome
from concur_proxy.lab.simulation.trace import scenario_of
from concur_proxy.telemetry.events import Attempt, RequestEvents, RequestRecord
from concur_proxy.telemetry.recorder import TraceRecorder
from concur_proxy.wire.answer.usage import Usage


def record(path: Path, *attempts: Attempt, began_at: float = 0.0) -> None:
    """Record a request for each of these attempts."""
    events = RequestEvents()
    recorder = TraceRecorder(path, began_at)
    recorder.subscribe(events)
    for attempt in attempts:
        for hear in events.ended:
            hear(RequestRecord(method="POST", attempts=[attempt]))
    recorder.close()


def answered(key: str, number: int, **more: object) -> Attempt:
    attempt = Attempt(
        session_key=key,
        arrived_at=100.0 + 10.0 * number,
        outcome=Outcome.ADMITTED,
        wait_s=0.5,
        usage=Usage(prompt_tokens=100 * (number + 1), completion_tokens=7, cached_tokens=number or None),
        ended_at=102.5 + 10.0 * number,
    )
    for name, value in more.items():
        setattr(attempt, name, value)
    return attempt


def test_it_writes_times_and_counts_and_no_name(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    attempts = [answered(key, number) for number, key in enumerate(["secret-name", "other", "secret-name"])]
    record(path, *attempts, began_at=100.0)
    assert "secret" not in path.read_text()
    first, other, second = map(json.loads, path.read_text().splitlines())
    assert first["session"] == second["session"] != other["session"]
    assert (first["turn"], other["turn"], second["turn"]) == (0, 0, 1)
    assert second == {
        "session": first["session"],
        "turn": 1,
        "at": 20.0,
        "prompt_tokens": 300,
        "completion_tokens": 7,
        "cached_tokens": 2,
        "held_s": 0.5,
        "duration_s": 2.5,
    }
    assert [population.agents for population in scenario_of(path).populations] == [2]


def test_an_answer_without_counts_or_admission_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    record(path, answered("a", 0, usage=None), answered("a", 1, arrived_at=None))
    assert path.read_text() == ""


def test_another_recording_hashes_otherwise(tmp_path: Path) -> None:
    names = []
    for number in range(2):
        path = tmp_path / f"{number}.jsonl"
        record(path, answered("a", 0))
        names.append(json.loads(path.read_text())["session"])
    assert names[0] != names[1]
