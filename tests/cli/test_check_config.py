from pathlib import Path

import pytest

from concur_proxy.cli import check_config

FILE = """\
engine = ["http://gpu1:8000"]
redis_url = "redis://:hush-hush@store/0"
max_hold_s = "5m"
law = "aimd"

[law_options]
alpha = 3
"""


def shown(capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    rows = (line.split(" = ", 1) for line in capsys.readouterr().out.splitlines())
    return {name.strip(): rest for name, rest in rows}


def test_each_setting_is_shown_with_where_it_was_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("g.toml").write_text(FILE)
    monkeypatch.setenv("CONCUR_ADMIN_KEY", "do-not-tell")
    assert check_config.main(["--config", "g.toml", "--port", "80"]) == 0
    rows = shown(capsys)
    assert rows["engine"] == '["http://gpu1:8000"]  # g.toml line 1'
    assert rows["redis_url"] == '"redis://:***@store/0"  # g.toml line 2'
    assert rows["max_hold_s"] == "300.0  # g.toml line 3"
    assert rows["law_options"] == "{alpha = 3}  # g.toml line 6"
    assert rows["admin_key"] == '"***"  # CONCUR_ADMIN_KEY'
    assert rows["port"] == "80  # --port"
    assert rows["host"] == '["127.0.0.1"]  # default'
    assert rows["engine_api_key"] == '""  # default', "not hidden, as there is none"


def test_a_secret_from_a_file_is_hidden_and_its_file_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("key").write_text("hush-hush\n")
    Path("url").write_text("redis://:hush-hush@store/0\n")
    monkeypatch.setenv("CONCUR_REDIS_URL_FILE", "url")
    assert check_config.main(["--engine", "http://gpu1:8000", "--admin-key-file", "key"]) == 0
    rows = shown(capsys)
    assert rows["admin_key"] == '"***"  # admin_key_file'
    assert rows["admin_key_file"] == '"key"  # --admin-key-file'
    assert rows["redis_url"] == '"redis://:***@store/0"  # redis_url_file'
    assert rows["redis_url_file"] == '"url"  # CONCUR_REDIS_URL_FILE'


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("\nport = 99999\n", "port = 99999 in g.toml line 2: must be 65535 or less"),
        ('engine = [\n "http://a",\n "b:1",\n]\n', "engine = b:1 in g.toml line 3: must begin with http://"),
        ("\n\nprot = 1\n", "unknown setting 'prot' in g.toml line 3: did you mean port?"),
        ("[law_options]\nstep = 1\nalhpa = 2\n", "g.toml line 3 with law tokens: the law has no option 'alhpa'"),
        (
            '[law_options]\nstep = 1\ngoal = "balanced"\n',
            "g.toml line 3 with law tokens: goal is a setting, not an option",
        ),
        ('admin_key = "hush"\n', "admin_key = *** in g.toml line 1: must be 8 or more characters of ASCII"),
        ('admin_key = "hush-hüsh"\n', "admin_key = *** in g.toml line 1: must be 8 or more characters of ASCII"),
        ('admin_key = "hush hush "\n', "with no space at either end"),
        ("port = = 3\n", "g.toml: line 1, column 8"),
        ('record = "/nowhere/r.jsonl"\n', "record = /nowhere/r.jsonl in g.toml line 1: cannot be written"),
    ],
)
def test_an_error_is_reported_with_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], text: str, problem: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("g.toml").write_text(text)
    engine = [] if "engine" in text else ["--engine", "http://gpu1:8000"]
    assert check_config.main([*engine, "--config", "g.toml"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert problem in line
    assert "hush" not in line
