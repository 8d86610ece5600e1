"""An engine kind from another package: TensorRT-LLM, behind a real gateway, found by entry point and by import path."""

import logging
import shutil
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI, Response

from concur_proxy import plugins
from concur_proxy.cli.load import SettingsError, load_settings
from concur_proxy.doctor.engine import EngineExamination
from concur_proxy.doctor.finding import Severity
from concur_proxy.engines.kind import EnginePaths, KnownKinds
from concur_proxy.settings.gateway import GatewaySettings
from tests.contracts.added_plugin import installed_plugin
from tests.engines.kinds.outside import concur_trtllm
from tests.http.running_gateway import running_gateway
from tests.http.running_server import running_server
from tests.http.scripted_engine import scripted_engine

SERIES = """\
# HELP trtllm_num_requests_running Number of active requests
# TYPE trtllm_num_requests_running gauge
trtllm_num_requests_running{{engine_type="trtllm",model_name="m"}} {running}
# TYPE trtllm_num_requests_waiting gauge
trtllm_num_requests_waiting{{engine_type="trtllm",model_name="m"}} {waiting}
# TYPE trtllm_kv_cache_utilization gauge
trtllm_kv_cache_utilization{{engine_type="trtllm",model_name="m"}} {usage}
# TYPE trtllm_kv_cache_max_blocks gauge
trtllm_kv_cache_max_blocks{{engine_type="trtllm",model_name="m"}} 100.0
# TYPE trtllm_kv_cache_tokens_per_block gauge
trtllm_kv_cache_tokens_per_block{{engine_type="trtllm",model_name="m"}} 32.0
# TYPE trtllm_iteration_latency_seconds gauge
trtllm_iteration_latency_seconds{{engine_type="trtllm",model_name="m"}} 0.01
"""
MODULE = "concur_trtllm"


@dataclass
class TrtServer:
    """A small HTTP server with the paths and metrics of `trtllm-serve`."""

    url: str = ""
    usage: float = 0.9
    running: int = 1
    waiting: int = 0
    json_reads: int = 0
    """Questions at `/metrics`."""

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.get("/prometheus/metrics")
        async def prometheus() -> Response:
            text = SERIES.format(usage=self.usage, running=self.running, waiting=self.waiting)
            return Response(text, media_type="text/plain; version=0.0.4")

        @app.get("/metrics")
        async def metrics() -> list[dict[str, object]]:
            self.json_reads += 1
            return [{"iter": 7, "numActiveRequests": self.running}]

        @app.get("/v1/models")
        async def models() -> dict[str, object]:
            return {"object": "list", "data": [{"id": "m", "object": "model"}]}

        @app.post("/v1/chat/completions")
        async def chat() -> dict[str, object]:
            message = {"role": "assistant", "content": "hello"}
            usage = {"prompt_tokens": 500, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 480}}
            return {"model": "m", "choices": [{"index": 0, "message": message}], "usage": usage}

        return app


@asynccontextmanager
async def trt_server() -> AsyncIterator[TrtServer]:
    server = TrtServer()
    async with running_server(server.app()) as server.url:
        yield server


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on the import path with the module of the other package."""
    shutil.copy(concur_trtllm.__file__, tmp_path / f"{MODULE}.py")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in (MODULE, "broken_kind"):
        sys.modules.pop(name, None)


@pytest.fixture(params=["entry point", "import path"])
def settings(request: pytest.FixtureRequest, folder: Path) -> Iterator[dict[str, object]]:
    """The settings with which the gateway knows the kind. An installed package needs none."""
    with ExitStack() as stack:
        if request.param == "entry point":
            stack.enter_context(installed_plugin(folder, plugins.ENGINE_KINDS, "trtllm", f"{MODULE}:build"))
            yield {}
        else:
            yield {"engine_kinds": ("vllm", f"{MODULE}:build")}


async def test_its_signals_move_the_window(settings: dict[str, object], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="concur_proxy")
    aimd = {"law": "aimd", "law_options": {"initial": 1.0}}
    async with trt_server() as server, running_gateway(server.url, **aimd, **settings) as gateway:
        (monitor,) = gateway.app.monitors
        await gateway.until(lambda: monitor.rates is not None)
        assert monitor.kind == "trtllm"
        assert monitor.rates is not None
        assert (monitor.rates.capacity_tokens, monitor.rates.kv_usage, monitor.rates.running) == (3200, 0.9, 1)
        assert server.json_reads == 1, "its metrics path is remembered"
        assert (await gateway.chat("agent")).status_code == 200
        assert gateway.snapshot().window == 1.0, "the cache is full"
        server.usage = 0.1
        await gateway.until(lambda: gateway.snapshot().window > 1.0, "cache to spare raises the window")
        refused = await gateway.client.post("/update_weights")
        assert (refused.status_code, refused.headers["x-concur-reason"]) == (403, "admin_refused")
    assert "this is trtllm, which does not report prefix-cache look-ups, prefix-cache hits, " in caplog.text


async def test_doctor_says_what_its_kind_does_not_report(settings: dict[str, object]) -> None:
    names = GatewaySettings(engine=("http://a",), **settings).engine_kinds  # type: ignore[arg-type]
    kinds = KnownKinds(plugins.load_engine_kinds(names))
    async with trt_server() as server, httpx.AsyncClient(trust_env=False) as client:
        found = {finding.code: finding for finding in await EngineExamination(server.url, client, kinds).run()}
    assert found.keys() == {"kind", "models", "signals", "cached_tokens"}
    assert found["kind"].message == "is trtllm, which does not report its version"
    assert found["signals"].severity is Severity.OK
    assert found["signals"].message.endswith(
        "its cache holds 3200 tokens; this kind of engine does not report prefix-cache look-ups"
    )


@pytest.mark.usefixtures("folder")
def test_a_wrong_engine_kind_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = f"{MODULE}:bild"
    flags: dict[str, object] = {"engine": ["http://a"], "engine_kinds": ["vllm", wrong]}
    with pytest.raises(SettingsError) as error:
        load_settings(flags)
    (problem,) = error.value.problems
    assert problem.startswith(f"--engine-kinds vllm,{wrong}: engine kind '{wrong}': 'bild' is not a function")
    monkeypatch.setattr(f"{MODULE}.TensorRtLlm.paths", EnginePaths(passing=("/no/method",)))
    with pytest.raises(SettingsError, match="'/no/method' in the paths of an engine kind: write it as"):
        load_settings(flags | {"engine_kinds": [f"{MODULE}:build"]})


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("from concur_proxy.engines.kind import EngineKind as build\n", "abstract"),
        ("def build(options):\n    pass\n", "missing 1 required positional argument: 'options'"),
        (
            "class Kind:\n    name = 'x'\nbuild = Kind\n",
            "Kind is not an engine kind: derive it from EngineKind",
        ),
        (
            "from concur_proxy.engines.kinds.vllm.kind import Vllm\nclass Kind(Vllm):\n    name = ''\nbuild = Kind\n",
            "Kind is not an engine kind: derive it from EngineKind",
        ),
    ],
)
def test_what_is_not_a_complete_kind_is_one_line(folder: Path, source: str, problem: str) -> None:
    (folder / "broken_kind.py").write_text(source)
    with pytest.raises(SettingsError) as error:
        load_settings({"engine": ["http://a"], "engine_kinds": ["broken_kind:build"]})
    (line,) = error.value.problems
    assert line.startswith("--engine-kinds broken_kind:build: ")
    assert problem in line


def test_a_broken_package_is_one_line_that_says_how_to_leave_it_out(folder: Path) -> None:
    (folder / "broken_kind.py").write_text("import no_such_library\n")
    with installed_plugin(folder, plugins.ENGINE_KINDS, "broken", "broken_kind:build"):
        with pytest.raises(SettingsError) as error:
            load_settings({"engine": ["http://a"]})
        (problem,) = error.value.problems
        assert problem.startswith("engine kind 'broken' (broken_kind:build): there is no module 'no_such_library'")
        assert problem.endswith("to leave it out, list the others in engine_kinds")
        assert load_settings({"engine": ["http://a"], "engine_kinds": ["vllm"]}).engine_kinds == ("vllm",)


@pytest.mark.parametrize("kinds", [("vllm",), ("sglang",), (f"{MODULE}:build",)])
@pytest.mark.usefixtures("folder")
async def test_administrative_paths_of_every_kind_stay_closed(kinds: tuple[str, ...]) -> None:
    async with (
        scripted_engine() as engine,
        running_gateway(engine.url, engine_kinds=kinds, allow_paths=("GET,POST /*",)) as gateway,
    ):
        for path in ("/sleep", "/collective_rpc", "/flush_cache", "/get_server_info", "/hicache/x", "/debug/x"):
            refused = await gateway.client.post(path)
            assert (refused.status_code, refused.headers["x-concur-reason"]) == (403, "admin_refused"), path
