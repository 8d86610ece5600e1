import json
from pathlib import Path

from concur_proxy.lab.simulation.trace import scenario_of
from concur_proxy.telemetry.recorder import TraceRecorder
from concur_proxy.wire.answer.usage import Usage
from tests.admission.gates import Scene


def test_it_writes_times_and_counts_and_no_name(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    scene = Scene(window=2.0)
    recorder = TraceRecorder(path, lambda: scene.now)
    for number, key in enumerate(["secret-name", "other", "secret-name"]):
        scene.now = 10.0 * number
        ticket = scene.arrive(key)
        scene.now += 2.5
        usage = Usage(prompt_tokens=100 * (number + 1), completion_tokens=7, cached_tokens=number or None)
        recorder.record(ticket, usage)
        scene.finish(ticket)
    recorder.close()
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
        "held_s": 0.0,
        "duration_s": 2.5,
    }
    assert [population.agents for population in scenario_of(path).populations] == [2]


def test_another_recording_hashes_otherwise(tmp_path: Path) -> None:
    scene, names = Scene(window=2.0), []
    for number in range(2):
        path = tmp_path / f"{number}.jsonl"
        recorder = TraceRecorder(path, lambda: 0.0)
        recorder.record(scene.arrive("a"), Usage(prompt_tokens=1, completion_tokens=1))
        recorder.close()
        names.append(json.loads(path.read_text())["session"])
    assert names[0] != names[1]
