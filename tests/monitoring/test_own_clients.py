from collections.abc import AsyncIterator

import pytest

from concur_proxy.monitoring.own_clients import OwnClients
from concur_proxy.upstream.tls import Trust


@pytest.fixture
async def clients() -> AsyncIterator[OwnClients]:
    made = OwnClients(Trust(None), engine_key="secret")
    yield made
    await made.aclose()


def test_only_engines_get_the_engines_key(clients: OwnClients) -> None:
    for scheme in ("http", "https"):
        assert clients.for_engine(f"{scheme}://gpu:8000").headers["authorization"] == "Bearer secret"
        assert "authorization" not in clients.for_page(f"{scheme}://exporter:9400/metrics").headers


def test_no_client_uses_the_proxies_of_the_environment(clients: OwnClients, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://proxy:3128")
    assert not clients.for_engine("http://gpu:8000").trust_env
    assert not clients.for_page("http://exporter:9400/metrics").trust_env


def test_engines_of_one_scheme_share_a_client(clients: OwnClients) -> None:
    client = clients.for_engine("http://a:8000")
    assert clients.for_engine("http://b:8000") is client
    assert clients.for_engine("https://a:8000") is not client
    assert clients.for_engine("http://a:8000").headers["user-agent"] == "concur-proxy"


async def test_closing_closes_every_client() -> None:
    clients = OwnClients(Trust(None), engine_key=None)
    made = [clients.for_engine("http://a:8000"), clients.for_engine("https://a:8000")]
    await clients.aclose()
    assert all(client.is_closed for client in made)
