from pathlib import Path

import pytest

from concur_proxy.cli.origins import Origins


@pytest.fixture(name="file")
def _file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    Path("c.toml").write_text('host = "file"\nport = 1\nlaw = "aimd"\nredis_url_file = "url"\n')
    return "c.toml"


def test_a_value_comes_from_the_source_that_overrides_the_others(file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONCUR_PORT", "2")
    monkeypatch.setenv("CONCUR_LAW", "off")
    origins = Origins({"config": file, "law": "tokens"})
    names = ("law", "port", "host", "redis_url", "mode")
    assert [origins.source(name) for name in names] == [
        "--law",
        "CONCUR_PORT",
        "c.toml line 1",
        "redis_url_file",
        "default",
    ]
    assert [origins.describe(name) for name in ("law", "port", "host", "mode")] == [
        "--law tokens",
        "CONCUR_PORT=2",
        "host = file in c.toml line 1",
        "mode enforce (the default)",
    ]


def test_secrets_are_hidden_wherever_they_were_set(file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONCUR_ENGINE_API_KEY", "hush")
    origins = Origins({"config": file, "admin_key": "hush-hush"})
    assert origins.describe("admin_key") == "--admin-key ***"
    assert origins.describe("engine_api_key") == "CONCUR_ENGINE_API_KEY=***"
    described = origins.describe("redis_url", "redis://:hush@store/0")
    assert described == "redis_url redis://:***@store/0 from redis_url_file = url in c.toml line 4"
