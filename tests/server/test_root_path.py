import pytest

from concur_proxy.settings.gateway import GatewaySettings
from tests.http.running_gateway import running_gateway
from tests.http.scripted_engine import scripted_engine


async def test_a_gateway_under_a_path_serves_with_the_path_and_without() -> None:
    async with scripted_engine() as engine, running_gateway(engine.url, root_path="/llm/a/") as gateway:
        for path, status in (
            ("/llm/a/v1/models?x=%2F", 200),
            ("/v1/models?x=%2F", 200),
            ("/llm/a/healthz", 200),
            ("/llm/a/concur/v1/state", 200),
            ("/llm/a/concur/", 200),
            ("/llm/av1/models", 404),
            ("/llm/v1/models", 404),
            ("/llm/a/llm/a/v1/models", 404),
            ("/llm/a/flush_cache", 403),
            ("/ll%6D/a/v1/models", 404),
        ):
            assert (await gateway.client.get(path)).status_code == status, path
        assert [request.target for request in engine.received if "x=" in request.target] == ["/v1/models?x=%2F"] * 2


@pytest.mark.parametrize("path", ["llm", "/a?b", "/a//b", "/ü", "/a%20b", "/a/../b/ c"])
def test_what_is_no_path(path: str) -> None:
    with pytest.raises(ValueError, match="such as /llm"):
        GatewaySettings(engine=("http://127.0.0.1:1",), root_path=path)  # type: ignore[call-arg] # the rest has defaults
