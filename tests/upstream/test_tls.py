"""One trust store for everything that goes to an engine: requests, metrics, health, models and `doctor`."""

from pathlib import Path

import pytest

from concur_proxy.cli.doctor import examine
from concur_proxy.cli.load import SettingsError, load_settings
from tests.http.certificates import Authority
from tests.http.running_gateway import RunningGateway, running_gateway
from tests.http.scripted_engine import scripted_engine


async def serves_with_fresh_metrics(gateway: RunningGateway) -> bool:
    monitor = gateway.app.monitors[0]
    await gateway.until(lambda: monitor.failure is None or "certificate verify failed" in monitor.failure)
    if monitor.failure is not None:
        assert (await gateway.chat()).status_code == 502
        return False
    assert (await gateway.chat()).status_code == 200
    assert (await gateway.client.get("/readyz")).json()["engines"][0]["signals"] == "fresh"
    return True


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "engine_ca_file", None])
async def test_requests_and_the_gateways_own_questions_agree(
    variable: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority(tmp_path)
    settings: dict[str, object] = {}
    if variable == "SSL_CERT_FILE":
        monkeypatch.setenv(variable, str(authority.file))
    elif variable is not None:
        settings[variable] = authority.file
    async with scripted_engine(tls=authority.server_context()) as engine:
        async with running_gateway(engine.url, **settings) as gateway:
            assert await serves_with_fresh_metrics(gateway) is (variable is not None)
        found = await examine(load_settings({"engine": [engine.url], **settings}))
        refused = [finding for finding in found if "certificate verify failed" in finding.message]
        assert bool(refused) is (variable is None)
        assert any(finding.code == "signals" for finding in found) is (variable is not None)


async def test_the_setting_replaces_the_systems_authorities(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trusted, other = Authority(tmp_path, "trusted"), Authority(tmp_path, "other")
    monkeypatch.setenv("SSL_CERT_FILE", str(other.file))
    async with (
        scripted_engine(tls=other.server_context()) as engine,
        running_gateway(engine.url, engine_ca_file=trusted.file) as gateway,
    ):
        assert not await serves_with_fresh_metrics(gateway)


def test_a_file_that_cannot_be_used_is_one_line(tmp_path: Path) -> None:
    for content, problem in (
        (None, "cannot be read: No such file or directory"),
        ("", "contains no certificate in PEM format"),
        ("no certificate", "contains no certificate in PEM format"),
    ):
        file = tmp_path / "ca.pem"
        if content is not None:
            file.write_text(content)
        with pytest.raises(SettingsError) as refused:
            load_settings({"engine": ["https://gpu"], "engine_ca_file": str(file)})
        assert refused.value.problems == (f"--engine-ca-file {file}: {problem}",)
