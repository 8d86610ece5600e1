"""`/` and `/docs` for browsers, over HTTP."""

import re

import httpx

from tests.cli.test_serve import NOWHERE, gateway
from tests.http.running_gateway import running_gateway
from tests.http.scripted_engine import scripted_engine

BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


async def test_they_lead_a_browser_to_page_and_reference() -> None:
    async with running_gateway(NOWHERE, admin_key="key-of-tests") as gateway:
        for path, target in (("/", "concur/"), ("/docs", "concur/docs")):
            answer = await gateway.client.get(path, headers=BROWSER)
            assert (answer.status_code, answer.headers["location"]) == (302, target)
        found = await gateway.client.get("/docs", headers=BROWSER, follow_redirects=True)
        assert found.status_code == 200
        assert "PUT /concur/v1/window" in found.text


async def test_other_clients_get_the_same_answer_as_ever() -> None:
    async with scripted_engine() as engine, running_gateway(engine.url, admin_key="key-of-tests") as gateway:
        for path in ("/", "/docs"):
            for headers in ({"accept": "*/*"}, {"accept": "application/json"}, {}):
                assert (await gateway.client.get(path, headers=headers)).status_code == 404
            assert (await gateway.client.post(path, headers=BROWSER)).status_code == 404


async def test_where_an_engine_s_own_path_is_open_a_browser_gets_the_engine_s() -> None:
    path = "/docs"  # the setting cannot open /
    async with (
        scripted_engine() as engine,
        running_gateway(engine.url, admin_key="key-of-tests", allow_paths=(f"GET {path}",)) as gateway,
    ):
        assert (await gateway.client.get(path, headers=BROWSER)).status_code != 302
        assert [request.target for request in engine.received if request.target == path] == [path]


def test_where_the_page_has_its_own_port_only_this_machine_is_led_there() -> None:
    with gateway("--engine", NOWHERE) as (process, url):
        assert process.stdout is not None
        page = process.stdout.readline().split()[-1]
        with httpx.Client(base_url=url, trust_env=False) as client:
            assert client.get("/", headers=BROWSER).headers["location"] == page
            docs = client.get("/docs", headers=BROWSER).headers["location"]
            assert docs == f"{page}docs"
            assert "Live page" in client.get(docs).text
            for other in ({"host": "gateway.example"}, {"x-forwarded-for": "10.0.0.9"}):
                assert client.get("/", headers={**BROWSER, **other}).status_code == 404
            admin = page.removesuffix("/concur/")
            assert client.get(f"{admin}/", follow_redirects=True).url == page
            assert client.get(f"{admin}/docs", follow_redirects=True).url == docs


async def test_the_reference_names_each_operation_and_needs_no_other_server() -> None:
    async with running_gateway(NOWHERE, admin_key="key-of-tests") as gateway:
        document = (
            await gateway.client.get("/concur/v1/openapi.json", headers={"authorization": "Bearer key-of-tests"})
        ).json()
        answer = await gateway.client.get("/concur/docs")
        for path, operations in document["paths"].items():
            for method in operations:
                assert f"<code>{method.upper()} {path}</code>" in answer.text
        links = re.findall(r'href="([^"]*)"', answer.text)
        anchors = {f"#{found}" for found in re.findall(r'id="([^"]*)"', answer.text)}
        assert {link for link in links if link not in anchors} == {"v1/openapi.json", "./"}
        assert "script" not in answer.text
