import os
from pathlib import Path

import pytest

from concur_proxy.settings.gateway import GatewaySettings
from concur_proxy.settings.secret_files import SECRETS, SecretFileError, file_setting, read_secret

ENGINE = {"engine": ["http://gpu:8000"]}
TEXTS = {"admin_key": "open sesame", "engine_api_key": "sk-1", "redis_url": "redis://:pw@store/0"}


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.upper().startswith("CONCUR_"):
            monkeypatch.delenv(name)


def settings(**values: object) -> GatewaySettings:
    return GatewaySettings(**{**ENGINE, **values})  # type: ignore[arg-type]


@pytest.mark.parametrize("source", ["flag", "variable", "file"])
@pytest.mark.parametrize("name", SECRETS)
def test_each_source_can_name_the_file_of_each_secret(
    name: str, source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret, config = tmp_path / "secret", tmp_path / "c.yaml"
    secret.write_text(f"{TEXTS[name]}\n")
    setting, values = file_setting(name), {}
    if source == "flag":
        values = {setting: str(secret)}
    elif source == "variable":
        monkeypatch.setenv(f"CONCUR_{setting.upper()}", str(secret))
    else:
        config.write_text(f"{setting}: {secret}")
        values = {"config": str(config)}
    read = settings(**values)
    assert getattr(read, name) == TEXTS[name]
    assert getattr(read, setting) == secret


@pytest.mark.parametrize(
    ("content", "secret"),
    [(b"a b\n", "a b"), (b"a b", "a b"), (b"a b\r\n", "a b"), (b" a\nb \n\n", " a\nb "), ("hüsh\n".encode(), "hüsh")],
)
def test_only_line_breaks_at_the_end_are_dropped(content: bytes, secret: str, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_bytes(content)
    assert read_secret(file) == secret


@pytest.mark.parametrize("content", [b"", b"\n", b"\r\n\n"])
def test_an_empty_file_is_refused(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_bytes(content)
    with pytest.raises(ValueError, match="the file is empty"):
        read_secret(file)


def test_what_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot be read: No such file or directory"):
        read_secret(tmp_path / "missing")
    with pytest.raises(ValueError, match="cannot be read: Is a directory"):
        read_secret(tmp_path)
    (tmp_path / "secret").write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match="not UTF-8 text"):
        read_secret(tmp_path / "secret")


def test_a_secret_and_its_file_are_not_given_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "secret"
    file.write_text("open sesame")
    monkeypatch.setenv("CONCUR_ADMIN_KEY_FILE", str(file))
    with pytest.raises(SecretFileError, match="admin_key is set too") as caught:
        settings(admin_key="open sesame")
    assert caught.value.setting == "admin_key_file"


def test_an_empty_variable_next_to_a_file_is_not_a_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "secret"
    file.write_text("open sesame")
    monkeypatch.setenv("CONCUR_ADMIN_KEY", "")
    assert settings(admin_key_file=str(file)).admin_key == "open sesame"


def test_the_default_url_of_redis_gives_way_to_the_file(tmp_path: Path) -> None:
    assert settings().redis_url == "redis://127.0.0.1:6379/0"
    file = tmp_path / "secret"
    file.write_text("rediss://store/1")
    assert settings(redis_url_file=str(file)).redis_url == "rediss://store/1"
