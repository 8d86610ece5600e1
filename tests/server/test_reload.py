"""Settings are read again while the gateway runs."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from concur_proxy.cli.load import SettingsError, load_settings
from concur_proxy.server import reload
from concur_proxy.server.app import GatewayApp
from concur_proxy.settings.gateway import GatewaySettings
from tests.http.running_gateway import RunningGateway, running_app
from tests.http.scripted_engine import Hold, scripted_engine, sessions


@asynccontextmanager
async def configured(file: Path, text: str) -> AsyncIterator[RunningGateway]:
    """A gateway that checks this configuration file often."""
    file.write_text(text)  # noqa: ASYNC240 - a small file

    def load() -> GatewaySettings | tuple[str, ...]:
        try:
            return load_settings({"config": str(file), "port": 0, "scrape_interval_s": 0.05, "admin_listen": "main"})
        except SettingsError as error:
            return error.problems

    settings = load()
    assert isinstance(settings, GatewaySettings)
    async with running_app(GatewayApp(settings, load=load)) as gateway:
        yield gateway


@pytest.fixture(autouse=True)
def _reads_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reload, "POLL_S", 0.02)


async def test_a_changed_file_changes_the_engines(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    file = tmp_path / "gateway.toml"
    async with (
        scripted_engine() as one,
        scripted_engine() as two,
        configured(file, f'engine = ["{one.url}"]') as gateway,
    ):
        await gateway.chat("a")
        file.write_text(f'engine = ["{two.url}"]\nmax_body_bytes = 2048\nfallback_window = 7\nlog_level = "debug"')
        await gateway.until(lambda: [monitor.engine for monitor in gateway.app.monitors] == [two.url])
        assert (await gateway.chat("a")).status_code == 200
        assert (sessions(one), sessions(two)) == (["a"], ["a"])
        assert (await gateway.chat("a", padding="x" * 3000)).status_code == 413
        assert logging.getLogger().level == logging.DEBUG
    text = caplog.text
    assert "settings reloaded: engine changed and takes effect now" in text
    assert "settings reloaded: fallback_window changed and takes effect at the next start" in text


async def test_another_law_takes_effect_on_engines_without_a_manual_one(tmp_path: Path) -> None:
    file = tmp_path / "gateway.toml"
    async with scripted_engine() as one, scripted_engine() as two:
        engines = f'engine = ["{one.url}", "{two.url}"]\n'
        async with configured(file, engines + 'law = "static"\nlaw_options = {window = 4}') as gateway:
            chosen = {"engine": two.url, "law": "static", "options": {"window": 9}}
            assert (await gateway.client.put("/concur/v1/law", json=chosen)).status_code == 200
            await gateway.until(lambda: [gateway.snapshot(n).window for n in range(2)] == [4, 9])
            file.write_text(engines + 'law = "static"\nlaw_options = {window = 2}')
            await gateway.until(lambda: [gateway.snapshot(n).window for n in range(2)] == [2, 9])


async def test_another_mode_holds_from_now_on(tmp_path: Path) -> None:
    file = tmp_path / "gateway.toml"
    async with scripted_engine(script=Hold()) as engine:
        text = f'engine = ["{engine.url}"]\nlaw = "static"\nlaw_options = {{window = 1}}\n'
        async with configured(file, text) as gateway:
            asked = [asyncio.create_task(gateway.chat(session)) for session in "ab"]
            await gateway.until(lambda: gateway.snapshot().held == 1)
            file.write_text(f'{text}mode = "observe"')
            await gateway.until(lambda: gateway.snapshot().in_flight == 2)
            assert (await gateway.client.get("/concur/v1/state")).json()["mode"] == "observe"
            for task in asked:
                task.cancel()
            await asyncio.gather(*asked, return_exceptions=True)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('engine = ["{two}", "gpu:8000"]', "engine = gpu:8000 in"),
        ('engine = ["{two}"]\nmax_hold_s = "long"', "gateway.toml line 2: must be a number"),
        ('engine = ["{two}"]\nengines = 3', "unknown setting 'engines' in"),
        ('engine = ["{two}"]\nlaw = "aimdd"', "gateway.toml line 2: there is no control law 'aimdd'"),
        ('engine = ["{two}"]\nport 7', "line 2, column"),
        ("", "no engine given"),
    ],
)
async def test_a_file_that_is_wrong_changes_nothing_and_says_where(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str, complaint: str
) -> None:
    file = tmp_path / "gateway.toml"
    async with (
        scripted_engine() as one,
        scripted_engine() as two,
        configured(file, f'engine = ["{one.url}"]') as gateway,
    ):
        file.write_text(text.replace("{two}", two.url))
        await gateway.until(lambda: "not reloaded" in caplog.text)
        (line,) = [record.getMessage() for record in caplog.records if "not reloaded" in record.getMessage()]
        assert line.startswith("settings not reloaded, the old ones stay in force: ")
        assert complaint in line
        assert (await gateway.chat("a")).status_code == 200
        assert sessions(one) == ["a"]
        file.write_text(f'engine = ["{one.url}", "{two.url}"]')
        await gateway.until(lambda: len(gateway.app.monitors) == 2)


async def test_a_secret_that_changed_in_its_file_is_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    key = tmp_path / "key"
    key.write_text("open sesame\n")
    async with (
        scripted_engine() as engine,
        configured(tmp_path / "c.toml", f'engine = ["{engine.url}"]\nadmin_key_file = "{key}"') as gateway,
    ):
        key.write_text("another key\n")
        gateway.app.reload()
        assert "settings reloaded: admin_key changed and takes effect at the next start" in caplog.text
        key.unlink()
        gateway.app.reload()
        assert "not reloaded, the old ones stay in force: admin_key_file = " in caplog.text
        headers = {"authorization": "Bearer open sesame"}
        assert (await gateway.client.get("/concur/v1/state", headers=headers)).status_code == 200


async def test_a_file_that_is_replaced_or_gone_for_a_moment_is_read(tmp_path: Path) -> None:
    file = tmp_path / "gateway.yaml"
    async with (
        scripted_engine() as one,
        scripted_engine() as two,
        configured(file, f"engine: [{one.url}]") as gateway,
    ):
        file.unlink()
        other = tmp_path / "next.yaml"
        other.write_text(f"engine: [{one.url}, {two.url}]")
        other.replace(file)
        await gateway.until(lambda: len(gateway.app.monitors) == 2)


async def test_engines_of_the_admin_api_outlive_a_reload(tmp_path: Path) -> None:
    file = tmp_path / "gateway.toml"
    nowhere = "http://127.0.0.1:9"
    async with (
        scripted_engine() as one,
        scripted_engine() as two,
        configured(file, f'engine = ["{one.url}"]') as gateway,
    ):
        await gateway.client.post("/concur/v1/engines", json={"engine": nowhere})
        file.write_text(f'engine = ["{two.url}"]')
        await gateway.until(lambda: {m.engine for m in gateway.app.monitors} == {two.url, nowhere})
        gateway.app.reload()
        assert {m.engine for m in gateway.app.monitors} == {two.url, nowhere}
