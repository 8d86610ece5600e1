from pathlib import Path

import pytest

from concur_proxy.settings.file import ConfigFileError, read_config_file


def write(tmp_path: Path, name: str, content: str | bytes) -> Path:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.toml", 'port = 1\nengine = ["http://a"]\n[law_options]\nalpha = 2.5\n'),
        ("a.yaml", "port: 1\nengine: [http://a]\nlaw_options: {alpha: 2.5}\n"),
        ("a.yml", "port: 1\nengine:\n- http://a\nlaw_options:\n  alpha: 2.5\n"),
        ("A.TOML", 'port = 1\nengine = ["http://a"]\nlaw_options = {alpha = 2.5}\n'),
    ],
)
def test_each_format_says_the_same(tmp_path: Path, name: str, content: str) -> None:
    expected = {"port": 1, "engine": ["http://a"], "law_options": {"alpha": 2.5}}
    assert read_config_file(write(tmp_path, name, content)) == expected


def test_an_empty_yaml_file_has_no_settings(tmp_path: Path) -> None:
    assert read_config_file(write(tmp_path, "a.yaml", "# nothing yet\n")) == {}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.toml", "port = 1\nhost = = 3\n", "a.toml: line 2, column 8: "),
        ("a.toml", "port = 1\nport = 2\n", "a.toml: line 2, column 9: "),
        ("a.yaml", "port: 1\nengine: [\n", "a.yaml: line 3, column 1: "),
        ("a.yaml", "port: 1\n\thost: b\n", "a.yaml: line 2, column 1: found character '\\t'"),
        ("a.yaml", "!!python/object/apply:os.system ['true']\n", "a.yaml: line 1, column 1: could not determine"),
        ("a.yaml", "- port\n", "a.yaml: must contain settings by name"),
        ("a.yaml", "3: port\n", "a.yaml: must contain settings by name"),
        ("a.toml", b"host = '\xff'\n", "a.toml: 'utf-8' codec can't decode byte 0xff"),
        ("a.ini", "port = 1\n", "a.ini: its name must end in .toml, .yaml or .yml"),
    ],
)
def test_an_error_is_reported_with_its_place(tmp_path: Path, name: str, content: str | bytes, message: str) -> None:
    with pytest.raises(ConfigFileError) as caught:
        read_config_file(write(tmp_path, name, content))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_deeply_nested_file_is_refused_and_no_crash(tmp_path: Path) -> None:
    with pytest.raises(ConfigFileError):
        read_config_file(write(tmp_path, "a.yaml", "[" * 100_000))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigFileError, match=r"^cannot read .*nothing\.toml: No such file or directory$"):
        read_config_file(tmp_path / "nothing.toml")


def test_a_directory_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "d.toml").mkdir()
    with pytest.raises(ConfigFileError, match=r"^cannot read .*d\.toml: Is a directory$"):
        read_config_file(tmp_path / "d.toml")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("port: 1\nhost: a\nport: 2\n", "line 3, column 1: port is set twice"),
        ("? [a]\n: 1\n? [a]\n: 2\n", "line 1, column 3: found unhashable key"),
        ("law_options:\n  step: 1\n  step: 2\n", "line 3, column 3: step is set twice"),
    ],
)
def test_a_setting_that_is_set_twice_is_an_error(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(text)
    with pytest.raises(ConfigFileError) as caught:
        read_config_file(path)
    assert str(caught.value) == f"{path}: {problem}"
