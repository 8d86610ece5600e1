import json
from pathlib import Path

import pytest

from concur_proxy.cli import doctor
from tests.coordination.redis_server import RedisServer

NOWHERE = "http://127.0.0.1:9"


def test_each_finding_is_one_line(redis: RedisServer, capsys: pytest.CaptureFixture[str]) -> None:
    url = redis.url.replace("://", "://nobody:hush@")
    assert doctor.main(["--engine", NOWHERE, "--store", "redis", "--redis-url", url]) == 2
    engine, store = capsys.readouterr().out.splitlines()
    assert engine.startswith(f"error    {NOWHERE}  cannot be reached: ")
    assert store.startswith(f"error    redis://nobody:***@127.0.0.1:{redis.port}/0  refuses the login: ")
    assert store.endswith("correct redis_url's password")


def test_json_is_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor.main(["--json", "--engine", NOWHERE, "--max-hold-s", "700"]) == 2
    told = json.loads(capsys.readouterr().out)
    assert told["status"] == "error"
    assert [(found["severity"], found["code"]) for found in told["findings"]] == [
        ("warning", "advice"),
        ("error", "unreachable"),
    ]
    assert all(found.keys() == {"subject", "severity", "code", "message", "fix"} for found in told["findings"])


def test_wrong_settings_are_reported_as_by_serve(capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor.main(["--engine", NOWHERE, "--port", "x"]) == 2
    assert capsys.readouterr().err == "concur-proxy doctor: error: --port x: must be a whole number\n"


def test_ranks_and_keys_are_the_settings_own(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CONCUR_ENGINE_API_KEY", "sk-hush")
    assert doctor.main(["--engine", f"{NOWHERE}#dp=2"]) == 2
    told = capsys.readouterr()
    assert told.out.startswith(f"error    {NOWHERE}  cannot be reached")
    assert "hush" not in told.out + told.err


def test_a_gateway_alone_needs_no_engine(capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor.main(["--gateway", NOWHERE, "--json"]) == 2
    (found,) = json.loads(capsys.readouterr().out)["findings"]
    assert (found["subject"], found["code"]) == (NOWHERE, "unreachable")


def test_a_gateway_and_its_engines_together(capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor.main(["--gateway", NOWHERE, "--engine", "http://127.0.0.1:8"]) == 2
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines] == [NOWHERE, "http://127.0.0.1:8"]


def test_the_admin_key_comes_from_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor.main(["--gateway", NOWHERE, "--admin-key-file", str(tmp_path / "missing")]) == 2
    assert capsys.readouterr().err.startswith("concur-proxy doctor: error: admin key in ")
