from tests.real_engine.ways import Way

ALLOWED_BEYOND_V1 = {
    "/detokenize",
    "/generative_scoring",
    "/health",
    "/invocations",
    "/load",
    "/metrics",
    "/ping",
    "/tokenize",
    "/version",
}


def test_no_path_of_the_engine_passes_but_those_that_clients_need(direct: Way, proxied: Way) -> None:
    paths = direct.http.get("/openapi.json").json()["paths"]
    refused = {path for path in paths if path not in ALLOWED_BEYOND_V1 and not path.startswith("/v1/")}
    assert {"/reset_prefix_cache", "/sleep", "/collective_rpc", "/update_weights", "/abort_requests"} <= refused
    for path in sorted(refused):
        for method in paths[path]:
            answer = proxied.http.request(method, path)
            assert (path, answer.status_code, answer.json()["error"]["code"]) == (path, 403, "admin_refused")


def test_an_engine_is_not_put_to_sleep_through_the_gateway(direct: Way, proxied: Way) -> None:
    for path in ("/sleep", "/SLEEP", "//sleep", "/sleep/", "/v1/../sleep", "/%73leep", "/sleep?level=1"):
        assert proxied.http.post(path).status_code in {403, 404}, path
    assert direct.http.get("/is_sleeping").json() == {"is_sleeping": False}
    assert direct.http.get("/is_paused").json() == {"is_paused": False}


def test_the_engines_description_of_itself_and_its_metrics_stay_with_it(proxied: Way) -> None:
    for path in ("/openapi.json", "/docs", "/server_info"):
        assert proxied.http.get(path).status_code in {403, 404}
    assert "vllm:" not in proxied.http.get("/metrics").text
