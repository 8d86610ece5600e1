"""The own command line, and the image's health check, against a gateway that wants to know its clients (mTLS)."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from concur_proxy.cli import doctor, health, status
from concur_proxy.cli.load import SettingsError, load_settings
from concur_proxy.cli.watch import NoState, gateway_tls, read_state
from tests.deploy.test_image import in_final_stage
from tests.http.certificates import Authority
from tests.http.running_gateway import RunningGateway, running_gateway
from tests.http.scripted_engine import scripted_engine


@dataclass(frozen=True, slots=True, kw_only=True)
class Guarded:
    """A gateway with mTLS, and a certificate that it knows."""

    gateway: RunningGateway
    certificate: Path
    key: Path
    stranger: tuple[Path, Path]

    @property
    def port(self) -> str:
        """Its port."""
        return self.gateway.url.rpartition(":")[2]


@pytest.fixture(name="authority")
def _authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    authority = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    return authority


@asynccontextmanager
async def guarded(authority: Authority, tmp_path: Path) -> AsyncIterator[Guarded]:
    certificate, key = authority.issue("gateway")
    own = authority.issue("operator")
    stranger = Authority(tmp_path, "other").issue("stranger")
    settings: dict[str, object] = {"tls_cert": certificate, "tls_key": key, "tls_client_ca": authority.file}
    async with scripted_engine() as engine, running_gateway(engine.url, **settings) as gateway:
        yield Guarded(gateway=gateway, certificate=own[0], key=own[1], stranger=stranger)


def shown(certificate: Path, key: Path) -> list[str]:
    return ["--tls-client-cert", str(certificate), "--tls-client-key", str(key)]


async def test_status_top_and_doctor_show_a_certificate(
    authority: Authority, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with guarded(authority, tmp_path) as each:
        url, flags = each.gateway.url, shown(each.certificate, each.key)
        assert await asyncio.to_thread(status.main, ["--url", url, "--json", *flags]) == 0
        assert "engines" in json.loads(capsys.readouterr().out)
        await asyncio.to_thread(doctor.main, ["--gateway", url, "--json", *flags])
        found = {finding["code"] for finding in json.loads(capsys.readouterr().out)["findings"]}
        assert {"few_requests"} <= found <= {"few_requests", "ready", "signals", "not_ready", "engine_unreachable"}

        # without one, and with that of a stranger
        for arguments in ([], shown(*each.stranger)):
            assert await asyncio.to_thread(status.main, ["--url", url, *arguments]) == 1
            assert "no gateway answers" in capsys.readouterr().err

        monkeypatch.setenv("CONCUR_TLS_CLIENT_CERT", str(each.certificate))
        monkeypatch.setenv("CONCUR_TLS_CLIENT_KEY", str(each.key))
        verify = gateway_tls(url, None, None)
        assert (await asyncio.to_thread(read_state, url, None, verify))["engines"]
        monkeypatch.setenv("CONCUR_TLS_CLIENT_KEY", str(each.stranger[1]))
        with pytest.raises(NoState, match="tls_client_key: the key does not belong to the certificate"):
            gateway_tls(url, None, None)
        assert gateway_tls("http://127.0.0.1", None, None) is False


@pytest.mark.parametrize("with_certificate", [True, False])
async def test_both_health_checks_work_with_and_without_a_certificate(
    authority: Authority,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *,
    with_certificate: bool,
) -> None:
    words = json.loads(in_final_stage()["HEALTHCHECK"].partition("CMD ")[2])
    async with guarded(authority, tmp_path) as each:
        settings = each.gateway.app.settings
        files = {"TLS_CERT": settings.tls_cert, "TLS_KEY": settings.tls_key, "TLS_CLIENT_CA": settings.tls_client_ca}
        if with_certificate:
            files |= {"TLS_CLIENT_CERT": each.certificate, "TLS_CLIENT_KEY": each.key}
        for name, value in {**files, "PORT": each.port}.items():
            monkeypatch.setenv(f"CONCUR_{name}", str(value))

        def image() -> int:
            return subprocess.run([sys.executable, *words[1:]], env=os.environ, check=False, stderr=-3).returncode

        assert await asyncio.to_thread(image) == 0
        assert await asyncio.to_thread(health.main, []) == 0
        if with_certificate:  # one that the gateway refuses is a fault, because the probe was to be known
            for name, value in zip(("CERT", "KEY"), each.stranger, strict=True):
                monkeypatch.setenv(f"CONCUR_TLS_CLIENT_{name}", str(value))
            assert await asyncio.to_thread(image) != 0
            assert await asyncio.to_thread(health.main, []) == 1
    assert await asyncio.to_thread(image) != 0
    assert await asyncio.to_thread(health.main, []) == 1
    assert "healthz" in capsys.readouterr().err


async def test_status_and_health_say_what_a_gateway_with_tls_needs(
    authority: Authority, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = authority.issue("gateway")
    async with running_gateway("http://127.0.0.1:9", tls_cert=certificate, tls_key=key) as gateway:
        assert await asyncio.to_thread(health.main, ["--port", gateway.url.rpartition(":")[2]]) == 1
        assert "if it serves TLS, give its tls_cert and tls_key here too" in capsys.readouterr().err
        monkeypatch.delenv("SSL_CERT_FILE")
        assert await asyncio.to_thread(status.main, ["--url", gateway.url]) == 1
        assert "SSL_CERT_FILE names a certificate to trust" in capsys.readouterr().err


def test_a_key_needs_its_certificate(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="a key needs its certificate"):
        load_settings({"engine": ["http://gpu"], "tls_client_key": str(tmp_path / "key.pem")})
