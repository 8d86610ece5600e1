"""A plug-in with a defect costs what it was asked for, never the gateway."""

import asyncio
import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from concur_proxy import plugins
from concur_proxy.cli.load import SettingsError, load_settings
from concur_proxy.engines.kinds.vllm.kind import Vllm
from concur_proxy.server import reload
from concur_proxy.server.app import GatewayApp
from concur_proxy.settings.gateway import GatewaySettings
from tests.contracts.added_plugin import installed_plugin
from tests.http.running_gateway import running_app, running_gateway
from tests.http.scripted_engine import scripted_engine

MODULE = "broken_plugin"
BROKEN = """
def build(*_):
    raise KeyError("defect")

def nothing(*_):
    pass

class Recogniser:
    body_fields = ()

    def __init__(self, options):
        pass

    def recognise(self, request):
        raise KeyError("defect")

class Placement:
    def choose(self, gates, *, key, tokens):
        raise KeyError("defect")

class Order:
    def __len__(self):
        return 0

    def __contains__(self, session):
        return False

    def __iter__(self):
        return iter(())

    def join(self, session):
        pass

    leave = join

    def head(self):
        raise KeyError("defect")

    first_new = position = head

class Law:
    def __init__(self, options):
        self.seen = set()

    def __getattr__(self, name):
        def fail(*_, **__):
            raise KeyError("defect")
        if name in {"window", "enforces"} and name in self.seen:
            fail()
        self.seen.add(name)  # it is looked at when it is built
        return fail
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / f"{MODULE}.py").write_text(BROKEN)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    sys.modules.pop(MODULE, None)


@pytest.mark.parametrize("attribute", ["build", "nothing", "no_such"])
@pytest.mark.parametrize("setting", ["law", "placement", "order", "recognisers", "engine_kinds"])
def test_each_is_one_line_at_the_start(setting: str, attribute: str) -> None:
    name = f"{MODULE}:{attribute}"
    with pytest.raises(SettingsError) as error:
        load_settings({"engine": ["http://a"], setting: [name] if setting in {"recognisers", "engine_kinds"} else name})
    (line,) = error.value.problems
    assert line.startswith(f"--{setting.replace('_', '-')} {name}: ")
    assert "\n" not in line


def test_a_kind_whose_paths_are_something_else_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Vllm, "paths", {"generating": ["POST /v1/chat/completions"]})
    with pytest.raises(SettingsError, match="engine kind vllm: its paths must be EnginePaths"):
        load_settings({"engine": ["http://a"]})


async def test_a_reload_with_one_changes_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reload, "POLL_S", 0.02)
    file = tmp_path / "gateway.toml"

    def load() -> GatewaySettings | tuple[str, ...]:
        try:
            return load_settings({"config": str(file), "port": 0, "scrape_interval_s": 0.05})
        except SettingsError as error:
            return error.problems

    async with scripted_engine() as engine:
        good = f'engine = ["{engine.url}"]\nlaw = "static"\n'
        file.write_text(good)
        settings = load()
        assert isinstance(settings, GatewaySettings)
        async with running_app(GatewayApp(settings, load=load)) as gateway:
            for number, attribute in enumerate(("build", "nothing"), 1):
                file.write_text(good.replace("static", f"{MODULE}:{attribute}"))
                await gateway.until(lambda expected=number: caplog.text.count("not reloaded") == expected)  # type: ignore[misc]
            file.write_text(good + "law_options = {window = 3}")
            await gateway.until(lambda: gateway.snapshot().window == 3)
            assert (await gateway.chat("a")).status_code == 200


async def test_an_error_in_a_reload_does_not_end_the_watch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(reload, "POLL_S", 0.02)
    file = tmp_path / "gateway.toml"
    async with scripted_engine() as engine:
        file.write_text(f'engine = ["{engine.url}"]')
        settings = load_settings({"config": str(file), "port": 0, "scrape_interval_s": 0.05})
        errors = [KeyError("defect")]

        def load() -> GatewaySettings:
            if errors:
                raise errors.pop()
            return load_settings({"config": str(file), "port": 0, "scrape_interval_s": 0.05})

        async with running_app(GatewayApp(settings, load=load)) as gateway:
            file.write_text(f'engine = ["{engine.url}"]\nmode = "enforce"')
            await gateway.until(lambda: "reloading the settings: unexpected error" in caplog.text)
            file.write_text(f'engine = ["{engine.url}"]\nlaw = "static"\nlaw_options = {{window = 3}}')
            await gateway.until(lambda: gateway.snapshot().window == 3)


@pytest.mark.parametrize("attribute", ["build", "nothing", "no_such"])
async def test_the_admin_api_refuses_a_law_that_cannot_be_built(folder: Path, attribute: str) -> None:
    with installed_plugin(folder, plugins.LAWS, "broken", f"{MODULE}:{attribute}"):
        async with scripted_engine() as engine, running_gateway(engine.url) as gateway:
            chosen = {"engine": engine.url, "law": "broken"}
            refused = await gateway.client.put("/concur/v1/law", json=chosen)
            assert (refused.status_code, refused.json()["error"]["code"]) == (400, "wrong_law")
            assert "control law 'broken'" in refused.json()["error"]["message"]
            assert (await gateway.chat("a")).status_code == 200


async def test_a_recogniser_that_fails_costs_no_request(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    chain = {"recognisers": (f"{MODULE}:Recogniser", "headers")}
    async with scripted_engine() as engine, running_gateway(engine.url, **chain) as gateway:
        for _ in range(2):
            assert (await gateway.chat("a")).status_code == 200
        assert await gateway.metric("concur_unkeyed_requests_total") == 0
    assert caplog.text.count("a recogniser failed and is left out") == 1


async def test_a_placement_that_fails_costs_no_request(caplog: pytest.LogCaptureFixture) -> None:
    async with (
        scripted_engine() as engine,
        scripted_engine() as other,
        running_gateway(engine.url, other.url, placement=f"{MODULE}:Placement") as gateway,
    ):
        for name in ("a", "b"):
            assert (await gateway.chat(name)).status_code == 200
        failures = 'concur_plugin_failures_total{kind="placement",plugin="broken_plugin:Placement"} 2.0'
        assert failures in (await gateway.client.get("/metrics")).text
    assert caplog.text.count("placement broken_plugin:Placement failed") == 1


async def test_a_queue_order_that_fails_loses_no_session(caplog: pytest.LogCaptureFixture) -> None:
    options = {"order": f"{MODULE}:Order", "law": "static", "law_options": {"window": 1}}
    async with scripted_engine() as engine, running_gateway(engine.url, **options) as gateway:
        answers = await asyncio.gather(*(gateway.chat(name) for name in "abcd"))
        assert [answer.status_code for answer in answers] == [200] * 4
        failures = 'concur_plugin_failures_total{kind="queue order",plugin="broken_plugin:Order"} 1.0'
        assert failures in (await gateway.client.get("/metrics")).text
    assert caplog.text.count("queue order broken_plugin:Order failed") == 1


async def test_a_law_that_fails_costs_no_request(caplog: pytest.LogCaptureFixture) -> None:
    async with scripted_engine() as engine, running_gateway(engine.url, law=f"{MODULE}:Law") as gateway:
        assert (await gateway.chat("a")).status_code == 200
        assert gateway.snapshot().window == 256
        assert 'concur_plugin_failures_total{kind="control law",' in (await gateway.client.get("/metrics")).text
    assert caplog.text.count("control law broken_plugin:Law failed") == 1
