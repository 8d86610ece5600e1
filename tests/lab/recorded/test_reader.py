import gzip
import json
from pathlib import Path

import pytest

from concur_proxy.lab.recorded.reader import MOST_LINE_BYTES, GatewayRecording
from concur_proxy.lab.recorded.request import TraceProblem

WEKA = json.dumps({"id": "trace_0006", "block_size": 64, "requests": [{"t": 0.0, "in": 90, "hash_ids": [1, 2]}]}) + "\n"
"""A session in the format of kv-cache-tester."""


def line(at: float = 0.0, **more: object) -> str:
    fields = {"session": "a", "turn": 0, "at": at, "prompt_tokens": 100, "completion_tokens": 5, "duration_s": 2.0}
    return json.dumps({**fields, **more}) + "\n"


def test_it_reads_every_field(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    facts = {"cached_tokens": 64, "held_s": 0.5, "first_s": 0.75, "recognised_by": "headers", "member": "b"}
    where = {"engine": "http://gpu", "model": "qwen", "tenant": "team", "capacity_tokens": 9000, "later_field": 1}
    path.write_text(line(3.0, time=1_800_000_000.0, **facts, **where))
    recording = GatewayRecording(path)
    (request,) = recording.requests()
    assert recording.has_dates
    assert (request.at, request.ended_at) == (1_800_000_000.0, 1_800_000_002.0)
    assert (request.cached_tokens, request.wait_s, request.first_token_s) == (64, 0.5, 0.75)
    assert (request.is_recognised, request.member, request.engine) == (True, "b", "http://gpu")
    assert (request.model, request.tenant, request.capacity_tokens) == ("qwen", "team", 9000)


def test_a_file_without_dates_goes_on_where_another_process_ended(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    path.write_text(line(10.0) + line(20.0) + line(1.0) + line(5.0))
    recording = GatewayRecording(path)
    assert [request.at for request in recording.requests()] == [10.0, 20.0, 23.0, 27.0]
    assert not recording.has_dates


def test_lines_in_the_order_of_arrival_are_of_one_process(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    path.write_text(line(0.0, duration_s=90.0) + line(1.0) + line(2.0))
    assert [request.at for request in GatewayRecording(path).requests()] == [0.0, 1.0, 2.0]


@pytest.mark.parametrize("compressed", [False, True])
def test_the_end_of_a_file_may_be_missing(tmp_path: Path, *, compressed: bool) -> None:
    path = tmp_path / "trace.jsonl.gz"
    text = "".join(line(float(at)) for at in range(500)).encode()
    path.write_bytes(gzip.compress(text, mtime=0)[:-50] if compressed else text[:-50])
    recording = GatewayRecording(path)
    assert 300 < len(list(recording.requests())) < 500
    assert recording.cut_lines == 1


def test_compressed_and_concatenated_files_are_read(tmp_path: Path) -> None:
    path = tmp_path / "trace"
    path.write_bytes(gzip.compress(line(1.0).encode()) + gzip.compress(line(4.0).encode()))
    assert len(list(GatewayRecording(path).requests())) == 2


def test_a_line_that_a_crash_cut_is_left_out_wherever_it_is(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    path.write_text(line(1.0) + '{"session": "5d\n' + line(2.0) + "\n")
    recording = GatewayRecording(path)
    for _ in range(2):
        assert len(list(recording.requests())) == 2
        assert recording.cut_lines == 1, "each reading counts on its own"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("nonsense\n", "line 1 is not a request as serve --record writes it"),
        (line() + "[1]\n", "line 2"),
        (line(prompt_tokens=-1), "prompt_tokens"),
        (line(duration_s=-1), "duration_s"),
        (line(at=1e300), "at"),
        (line(session=5), "session"),
        (line().replace("2.0", "NaN").replace("{", "x{"), "line 1"),
        (line(time=1.8e9) + line(), "line 2 has no time"),
        (WEKA, "line 1 is not a request as serve --record writes it: .*session"),
        (WEKA.replace("[1, 2]", json.dumps(list(range(MOST_LINE_BYTES)))), "line 1 .* longer than 65536 bytes"),
        ('{"session": "' + "a" * MOST_LINE_BYTES + '"}', "line 1"),
    ],
)
def test_what_is_no_recording_is_reported_in_a_line(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(text)
    with pytest.raises(TraceProblem, match=says) as problem:
        list(GatewayRecording(path).requests())
    assert "\n" not in str(problem.value)


def test_a_damaged_archive_and_a_folder_are_reported(tmp_path: Path) -> None:
    path = tmp_path / "x.gz"
    content = bytearray(gzip.compress(b"".join(line(float(at)).encode() for at in range(100))))
    content[40:60] = b"\xff" * 20
    path.write_bytes(content)
    for wrong in (path, tmp_path):
        with pytest.raises(TraceProblem, match=r"cannot be read|not a request"):
            list(GatewayRecording(wrong).requests())
