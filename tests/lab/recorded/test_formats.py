import gzip
from pathlib import Path

import pytest

from concur_proxy.lab.recorded.formats import open_trace
from concur_proxy.lab.recorded.mooncake import RequestTrace
from concur_proxy.lab.recorded.reader import GatewayRecording
from concur_proxy.lab.recorded.request import TraceProblem
from concur_proxy.lab.recorded.weka import SessionTrace

SESSION = b'{"id": "a", "block_size": 64, "requests": [{"t": 0, "in": 70, "out": 5, "hash_ids": [1]}]}'
REQUEST = b'{"timestamp": 0, "input_length": 70, "output_length": 5, "hash_ids": [1]}'
ANSWER = b'{"session": "requests", "at": 0, "prompt_tokens": 7, "completion_tokens": 5, "duration_s": 1}'


@pytest.mark.parametrize("is_compressed", [False, True])
@pytest.mark.parametrize(
    ("content", "reader"),
    [
        (SESSION + b"\n" + SESSION, SessionTrace),
        (b"[" + SESSION + b"]", SessionTrace),
        (SESSION.replace(b", ", b",\n"), SessionTrace),
        (REQUEST + b"\n\n" + REQUEST + b"\n", RequestTrace),
        (ANSWER, GatewayRecording),
        (b"", GatewayRecording),
    ],
)
def test_a_format_is_recognised_by_its_content(
    tmp_path: Path, content: bytes, reader: type, *, is_compressed: bool
) -> None:
    path = tmp_path / "x"
    path.write_bytes(gzip.compress(content) if is_compressed else content)
    found = open_trace(path)
    assert type(found) is reader
    assert (len(list(found.requests())) > 0) == (content != b"")


def test_a_folder_holds_sessions(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(SESSION)
    assert len(list(open_trace(tmp_path).requests())) == 1
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(TraceProblem, match="no file that ends in"):
        list(open_trace(empty).requests())


def test_a_missing_or_damaged_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(TraceProblem, match="cannot be read"):
        open_trace(tmp_path / "none")
    path = tmp_path / "x.gz"
    path.write_bytes(gzip.compress(SESSION * 500)[:-30])
    with pytest.raises(TraceProblem, match="cannot be read"):
        list(open_trace(path).requests())
