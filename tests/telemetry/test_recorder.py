import json
from pathlib import Path

from concur_proxy.admission.outcome import Outcome
from concur_proxy.lab.recorded.load import Trace
from concur_proxy.telemetry.events import Attempt, RequestEvents, RequestRecord
from concur_proxy.telemetry.recorder import TraceRecorder
from concur_proxy.wire.answer.usage import Usage


def record(path: Path, *attempts: Attempt, began_at: float = 0.0, **more: object) -> None:
    """Record a request for each of these attempts. `more` is known of each request."""
    events = RequestEvents()
    recorder = TraceRecorder(path, began_at, 1_800_000_000.0)
    recorder.subscribe(events)
    for attempt in attempts:
        for hear in events.ended:
            hear(RequestRecord(method="POST", attempts=[attempt], **more))  # type: ignore[arg-type]
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
        "time": 1_800_000_020.0,
        "recognised_by": "",
        "engine": "",
        "model": "other",
    }
    assert [population.agents for load in Trace(path).loads() for population in load.scenario.populations] == [2]


def test_it_writes_what_a_report_divides_the_load_by(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    more = {"member": "sub-agent", "engine": "http://gpu", "listed": ["qwen"], "capacity_tokens": 5000}
    attempt = answered("a", 0, first_token_at=101.25, **more)
    record(path, attempt, is_stream=True, model="qwen", tenant="team", recognised_by="headers")
    line = json.loads(path.read_text())
    assert "sub-agent" not in path.read_text()
    assert len(line["member"]) == len(line["session"])
    names = ("first_s", "engine", "model", "tenant", "recognised_by", "capacity_tokens")
    assert [line[name] for name in names] == [1.25, "http://gpu", "qwen", "team", "headers", 5000]


def test_a_model_that_the_engine_does_not_list_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    record(path, answered("a", 0, listed=["qwen"]), model="whatever a client sends")
    assert json.loads(path.read_text())["model"] == "other"


def test_it_does_not_continue_a_line_that_was_cut(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    path.write_text('{"session": "5d')
    record(path, answered("a", 0))
    record(path, answered("a", 0))
    assert [line[:11] for line in path.read_text().splitlines()] == ['{"session":'] * 3


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
