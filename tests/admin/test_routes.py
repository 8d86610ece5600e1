"""Who may call the admin API."""

import pytest

from tests.http.running_gateway import running_gateway

V1 = "/concur/v1"


async def test_with_a_key_nothing_is_told_or_done_without_it() -> None:
    async with running_gateway("http://127.0.0.1:9", admin_key="open sesame") as gateway:
        described = await gateway.client.get(f"{V1}/openapi.json", headers={"authorization": "Bearer open sesame"})
        paths = described.json()["paths"]
        assert {f"{V1}/state", f"{V1}/window", f"{V1}/law", f"{V1}/sessions/prioritise"} <= set(paths)
        for path, methods in paths.items():
            for method in methods if path.startswith(V1) and not path.endswith("release") else ():
                answer = await gateway.client.request(method, path)
                assert answer.status_code == 401, (method, path)


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://["},
        {"host": "evil.example"},
        {"x-forwarded-for": "192.0.2.1"},
        {"forwarded": "for=192.0.2.1"},
    ],
)
async def test_pages_of_others_in_a_browser_on_this_machine_may_not(headers: dict[str, str]) -> None:
    async with running_gateway("http://127.0.0.1:9") as gateway:
        assert (await gateway.client.get(f"{V1}/state", headers=headers)).status_code == 403
        same = {"origin": gateway.url}
        assert (await gateway.client.get(f"{V1}/state", headers=same)).status_code == 200


async def test_the_key_is_enough_behind_a_proxy_that_writes_its_own_host() -> None:
    async with running_gateway("http://127.0.0.1:9", admin_key="open sesame") as gateway:
        headers = {"origin": "https://gateway.example", "authorization": "bearer open sesame", "x-real-ip": "192.0.2.1"}
        assert (await gateway.client.get(f"{V1}/state", headers=headers)).status_code == 200
        del headers["authorization"]
        assert (await gateway.client.get(f"{V1}/state", headers=headers)).status_code == 401


async def test_with_a_key_only_its_holder_may() -> None:
    async with running_gateway("http://127.0.0.1:9", admin_key="open sesame") as gateway:
        body = {"engine": "http://127.0.0.1:10"}
        for headers in ({}, {"authorization": "Bearer open"}, {"authorization": "open sesame"}):
            assert (await gateway.client.post(f"{V1}/engines", json=body, headers=headers)).status_code == 401
        key = {"authorization": "Bearer open sesame"}
        response = await gateway.client.post(f"{V1}/engines", json=body, headers=key)
        assert response.status_code == 200
