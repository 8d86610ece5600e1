import httpx
import pytest

from concur_proxy.lab.demo import servers


async def test_both_servers_listen_until_the_block_ends() -> None:
    async with (
        servers.engine() as engine_url,
        servers.gateway(engine_url) as gateway_url,
        httpx.AsyncClient() as client,
    ):
        assert (await client.get(f"{gateway_url}/v1/models")).json() == (
            await client.get(f"{engine_url}/v1/models")
        ).json()
    async with httpx.AsyncClient() as client:
        for url in (engine_url, gateway_url):
            with pytest.raises(httpx.ConnectError):
                await client.get(f"{url}/health")


async def test_a_server_that_does_not_start_is_an_error() -> None:
    with pytest.raises(servers.ServerFailed, match="concur-proxy engine ended with exit code 2"):
        async with servers.engine("--no-such-flag"):
            pass


async def test_a_real_engine_is_used_as_it_is() -> None:
    async with servers.engine_or("http://gpu:8000", "--time-scale", "2") as url:
        assert url == "http://gpu:8000"
