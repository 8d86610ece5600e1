"""The gateway's own certificate: TLS 1.2 or later, client certificates, and new files while it runs."""

import asyncio
import os
import shutil
import socket
import ssl
import subprocess
import sys
import warnings
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
import uvloop

from concur_proxy.cli.health import health_problem
from concur_proxy.cli.load import SettingsError, load_settings
from concur_proxy.server import tls
from tests.http.certificates import Authority
from tests.http.running_gateway import RunningGateway, running_gateway
from tests.http.scripted_engine import scripted_engine

LOOPS = pytest.mark.parametrize("loop_factory", [asyncio.new_event_loop, uvloop.new_event_loop])


@pytest.fixture(name="authority")
def _authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def trusting(authority: Authority, identity: tuple[Path, Path] | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=authority.file)
    if identity is not None:
        context.load_cert_chain(*identity)
    return context


def client(gateway: RunningGateway, context: ssl.SSLContext) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=gateway.url, verify=context, trust_env=False)


def subject(gateway: RunningGateway, context: ssl.SSLContext) -> str:
    """The name in the certificate that a new connection gets."""
    port = int(gateway.url.rpartition(":")[2])
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as wrapped,
    ):
        certificate = wrapped.getpeercert() or {}
    return str(dict(pair[0] for pair in certificate["subject"])["commonName"])  # type: ignore[misc]


async def test_the_main_port_speaks_tls_and_the_admin_socket_does_not_need_it(authority: Authority) -> None:
    certificate, key = authority.issue("one")
    settings: dict[str, object] = {"tls_cert": certificate, "tls_key": key, "admin_listen": "auto"}
    async with scripted_engine() as engine, running_gateway(engine.url, **settings) as gateway:
        assert gateway.url.startswith("https:")
        async with client(gateway, trusting(authority)) as trusted:
            body = {"model": "m", "messages": []}
            assert (await trusted.post("/v1/chat/completions", json=body)).status_code == 200
        async with httpx.AsyncClient(trust_env=False) as plain:
            assert (await plain.get(f"{gateway.app.access.admin_url}/concur/v1/state")).status_code == 200
            with pytest.raises(httpx.TransportError):
                await plain.get(gateway.url.replace("https:", "http:"))


async def test_older_tls_is_refused(authority: Authority) -> None:
    certificate, key = authority.issue("one")
    async with running_gateway("http://127.0.0.1:9", tls_cert=certificate, tls_key=key) as gateway:
        old = trusting(authority)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            old.minimum_version = ssl.TLSVersion.TLSv1
            old.maximum_version = ssl.TLSVersion.TLSv1_1
        old.set_ciphers("ALL:@SECLEVEL=0")
        with pytest.raises(ssl.SSLError, match=r"EOF|PROTOCOL_VERSION"):
            await asyncio.to_thread(subject, gateway, old)
        new = trusting(authority)
        new.maximum_version = ssl.TLSVersion.TLSv1_2
        assert await asyncio.to_thread(subject, gateway, new) == "one"


async def test_a_client_that_does_not_shake_hands_is_cut_off(authority: Authority) -> None:
    certificate, key = authority.issue("one")
    settings: dict[str, object] = {"tls_cert": certificate, "tls_key": key, "head_timeout_s": 0.2}
    async with running_gateway("http://127.0.0.1:9", **settings) as gateway:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(gateway.url.rpartition(":")[2]))
        writer.write(b"\x16\x03\x01")
        async with asyncio.timeout(20):
            with suppress(ConnectionResetError):
                assert await reader.read() == b""
        writer.close()


async def test_only_clients_with_a_certificate_are_served(authority: Authority, tmp_path: Path) -> None:
    certificate, key = authority.issue("one")
    settings: dict[str, object] = {"tls_cert": certificate, "tls_key": key, "tls_client_ca": authority.file}
    other = Authority(tmp_path, "other")
    async with running_gateway("http://127.0.0.1:9", **settings) as gateway:
        async with client(gateway, trusting(authority, authority.issue("agent"))) as known:
            assert (await known.get("/healthz")).status_code == 200
        port = int(gateway.url.rpartition(":")[2])
        asked = gateway.app.settings.model_copy(update={"port": port})
        assert await asyncio.to_thread(health_problem, asked) is None
        for identity in (None, other.issue("stranger")):
            async with client(gateway, trusting(authority, identity)) as unknown:
                with pytest.raises(httpx.TransportError):
                    await unknown.get("/healthz")
    assert await asyncio.to_thread(health_problem, asked) is not None


@LOOPS
def test_new_files_are_used_without_dropping_a_connection(loop_factory: object, authority: Authority) -> None:
    async def swap() -> None:
        certificate, key = authority.issue("one")
        files = [authority.issue("two"), authority.issue("three")]
        settings: dict[str, object] = {"tls_cert": certificate, "tls_key": key}
        async with running_gateway("http://127.0.0.1:9", **settings) as gateway:
            context = trusting(authority)
            async with client(gateway, context) as kept:
                first = await kept.get("/healthz")
                shutil.copy(files[0][0], certificate)
                assert not gateway.app.tls.reload()  # type: ignore[union-attr]  # the key is still the old one
                assert await asyncio.to_thread(subject, gateway, context) == "one"
                shutil.copy(files[0][1], key)
                async with asyncio.timeout(30):
                    while await asyncio.to_thread(subject, gateway, context) != "two":
                        await asyncio.sleep(0.01)
                second = await kept.get("/healthz")
                streams = [answer.extensions["network_stream"].get_extra_info("socket") for answer in (first, second)]
                assert streams[0] is streams[1]
                for source, target in zip(files[1], (certificate, key), strict=True):
                    os.replace(source, target)  # noqa: PTH105
                gateway.app.reload()
                assert await asyncio.to_thread(subject, gateway, context) == "three"

    with asyncio.Runner(loop_factory=loop_factory) as runner:  # type: ignore[arg-type]
        runner.run(swap())


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls, "POLL_S", 0.02)


def test_files_that_cannot_be_used_are_one_line(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # a message shortens long paths
    certificate, key = (os.path.relpath(file) for file in authority.issue("one"))
    other = os.path.relpath(authority.issue("two")[1])
    missing, empty = "missing.pem", Path("empty.pem")
    empty.write_text("")
    for flags, problem in (
        ({"tls_cert": missing}, f"--tls-cert {missing}: cannot be read: No such file or directory"),
        ({"tls_cert": certificate}, f"--tls-cert {certificate}: contains no key: name the key's file in tls_key"),
        ({"tls_cert": str(empty)}, f"--tls-cert {empty}: contains no valid certificate or key in PEM format"),
        (
            {"tls_cert": certificate, "tls_key": missing},
            f"--tls-key {missing}: cannot be read: No such file or directory",
        ),
        ({"tls_cert": certificate, "tls_key": other}, f"--tls-key {other}: the key does not belong to the certificate"),
        (
            {"tls_cert": certificate, "tls_key": key, "tls_client_ca": str(empty)},
            f"--tls-client-ca {empty}: contains no certificate in PEM format",
        ),
        (
            {"tls_key": key},
            f"--tls-key {key} must be unset with tls_cert None (the default): there is no TLS without a certificate",
        ),
    ):
        with pytest.raises(SettingsError) as refused:
            load_settings({"engine": ["http://gpu"], **flags})
        assert refused.value.problems == (problem,)


def test_a_process_prints_its_https_address_and_says_that_it_is_healthy(authority: Authority) -> None:
    certificate, key = authority.issue("one")
    command = [sys.executable, "-m", "concur_proxy", "serve", "--engine", "http://127.0.0.1:9", "--port", "0"]
    command += ["--tls-cert", str(certificate), "--tls-key", str(key)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().split()[-1]
            admin = process.stdout.readline().split()[-1]
            assert url.startswith("https://127.0.0.1:")
            assert httpx.get(admin, trust_env=False).status_code == 200
            environment = {
                **os.environ,
                "CONCUR_PORT": url.rpartition(":")[2],
                "CONCUR_TLS_CERT": str(certificate),
                "CONCUR_TLS_KEY": str(key),
                "HTTPS_PROXY": "http://127.0.0.1:9",
                "HTTP_PROXY": "http://127.0.0.1:9",
            }
            health = [sys.executable, "-m", "concur_proxy", "health"]
            assert subprocess.run(health, env=environment, check=False).returncode == 0
        finally:
            process.kill()
    dead = subprocess.run(health, env=environment, check=False, capture_output=True, text=True)
    assert dead.returncode == 1
    assert dead.stderr.startswith("concur-proxy health: error: ")
    assert dead.stderr.count("\n") == 1
