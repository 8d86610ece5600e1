import pytest

from tests.real_engine.server import EngineServer
from tests.real_engine.ways import Way

ALLOWED_BEYOND_V1 = {
    "vllm": {
        "/detokenize",
        "/generative_scoring",
        "/health",
        "/invocations",
        "/load",
        "/metrics",
        "/ping",
        "/tokenize",
        "/version",
    },
    "sglang": {
        "/classify",
        "/close_session",
        "/detokenize",
        "/encode",
        "/generate",
        "/get_model_info",
        "/health",
        "/health_generate",
        "/invocations",
        "/metrics",
        "/model_info",
        "/open_session",
        "/parse_function_call",
        "/ping",
        "/ready",
        "/rerank",
        "/separate_reasoning",
        "/tokenize",
        "/vertex_generate",
    },
}
REFUSED = {
    "vllm": {"/reset_prefix_cache", "/sleep", "/collective_rpc", "/update_weights", "/abort_requests"},
    "sglang": {"/flush_cache", "/abort_request", "/start_profile", "/server_info", "/update_weights_from_disk"},
}
UNKNOWN = {"vllm": set[str](), "sglang": {"/", "/api/chat", "/api/generate", "/api/show", "/api/tags"}}
"""Paths that the gateway does not know: a page, and the API of Ollama, which has no session."""
STOPS = {"vllm": "sleep", "sglang": "pause_generation"}
"""A path that stops the whole engine."""


def test_no_path_of_the_engine_passes_but_those_that_clients_need(
    engine: EngineServer, direct: Way, proxied: Way
) -> None:
    paths = direct.http.get("/openapi.json").json()["paths"]
    refused = {path for path in paths if path not in ALLOWED_BEYOND_V1[engine.kind] and not path.startswith("/v1/")}
    assert REFUSED[engine.kind] <= refused
    for path in sorted(refused):
        for method in paths[path]:
            answer = proxied.http.request(method, path)
            expected = (404, "unknown_path") if path in UNKNOWN[engine.kind] else (403, "admin_refused")
            code = expected[1] if method == "head" else answer.json()["error"]["code"]  # HEAD has no body
            assert (path, answer.status_code, code) == (path, *expected)


def test_an_engine_is_not_stopped_through_the_gateway(engine: EngineServer, proxied: Way) -> None:
    stop = STOPS[engine.kind]
    other = f"%{ord(stop[0]):02x}{stop[1:]}"
    for path in (stop, stop.upper(), f"/{stop}", f"{stop}/", f"v1/../{stop}", other, f"{stop}?level=1"):
        assert proxied.http.post(f"/{path}").status_code in {403, 404}, path
    body = {"model": "tiny", "prompt": "are you there?", "max_tokens": 1}
    assert proxied.http.post("/v1/completions", json=body).status_code == 200


@pytest.mark.only("vllm", "SGLang has no path that says whether it is paused")
def test_an_engine_that_was_to_sleep_is_awake(direct: Way, proxied: Way) -> None:
    assert proxied.http.post("/sleep").status_code == 403
    assert direct.http.get("/is_sleeping").json() == {"is_sleeping": False}
    assert direct.http.get("/is_paused").json() == {"is_paused": False}


def test_the_engines_description_of_itself_and_its_metrics_stay_with_it(engine: EngineServer, proxied: Way) -> None:
    for path in ("/openapi.json", "/docs", "/server_info"):
        assert proxied.http.get(path).status_code in {403, 404}
    assert f"{engine.kind}:" not in proxied.http.get("/metrics").text
