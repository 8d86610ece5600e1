from pathlib import Path

import pytest

from concur_proxy.engines.kind import EnginePaths
from concur_proxy.engines.kinds.sglang.paths import PATHS as SGLANG
from concur_proxy.engines.kinds.vllm.paths import PATHS as VLLM
from concur_proxy.wire.answer.fault import GatewayFault
from concur_proxy.wire.request.endpoint_rule import METHODS, EndpointKind
from concur_proxy.wire.request.endpoints import ASKABLE_FOR_USAGE, Endpoint, EndpointCatalogue, Refusal

CAPTURED = Path(__file__).parent / "captures" / "vllm-0.32.0-paths.txt"
"""Methods and paths of a running server, as its OpenAPI document lists them."""

OWN = {"/metrics"}
"""Paths that the gateway answers itself, from its own registry."""

# engines serve these on the same port as inference by default; they must never pass
ADMINISTRATION = [
    "/reset_prefix_cache",
    "/reset_mm_cache",
    "/collective_rpc",
    "/sleep",
    "/wake_up",
    "/pause",
    "/resume",
    "/abort_requests",
    "/release_kv_cache_memory",
    "/start_weight_update",
    "/finish_weight_update",
    "/update_weights",
    "/init_weight_transfer_engine",
    "/scale_elastic_ep",
    "/is_scaling_elastic_ep",
    "/kv_event_sources",
    "/server_info",
    "/get_server_info",
    "/flush_cache",
    "/update_weights_from_disk",
    "/update_weights_from_distributed",
    "/update_weights_from_tensor",
    "/release_memory_occupation",
    "/resume_memory_occupation",
    "/start_profile",
    "/stop_profile",
    "/freeze_gc",
    "/configure_logging",
    "/abort_request",
    "/load_lora_adapter",
    "/unload_lora_adapter",
    "/v1/load_lora_adapter",
    "/v1/unload_lora_adapter",
]

CATALOGUE = EndpointCatalogue(known=(VLLM, SGLANG))


def captured() -> list[tuple[str, str]]:
    rows = [line.split() for line in CAPTURED.read_text().splitlines() if line[:1].isupper()]
    return [
        (method, path.replace("{response_id}", "resp_1")) for methods, path in rows for method in methods.split(",")
    ]


@pytest.mark.parametrize(("method", "path"), captured())
def test_every_captured_path_is_allowed_or_refused_on_purpose(method: str, path: str) -> None:
    found = CATALOGUE.find(method, path)
    if path in OWN:
        assert isinstance(found, Refusal)
    elif path in CATALOGUE.administration:
        assert isinstance(found, Refusal)
        assert found.fault is GatewayFault.ADMIN_REFUSED
    else:
        assert isinstance(found, Endpoint)


def test_the_captured_list_is_a_whole_servers() -> None:
    paths = {path for _, path in captured()}
    assert {"/v1/chat/completions", "/v1/messages", "/scale_elastic_ep", "/v1/responses/resp_1/cancel"} <= paths
    assert len(paths) > 20


@pytest.mark.parametrize("path", ADMINISTRATION)
def test_administration_passes_by_no_method(path: str) -> None:
    for method in (*METHODS, "OPTIONS", "HEAD"):
        found = CATALOGUE.find(method, path)
        assert isinstance(found, Refusal)
        assert found.fault is GatewayFault.ADMIN_REFUSED


@pytest.mark.parametrize(
    "path",
    [
        "/v1/chat/completions",
        "/v1/completions",
        "/v1/responses",
        "/v1/messages",
        "/generate",
    ],
)
def test_what_makes_tokens_waits_for_its_place(path: str) -> None:
    found = CATALOGUE.find("POST", path)
    assert isinstance(found, Endpoint)
    assert found.kind is EndpointKind.GENERATE


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/responses/resp_1"),
        ("POST", "/v1/responses/resp_1/cancel"),
        ("POST", "/v1/messages/count_tokens"),
        ("POST", "/v1/embeddings"),
        ("POST", "/rerank"),
        ("POST", "/v1/rerank"),
        ("POST", "/v2/rerank"),
        ("POST", "/score"),
        ("POST", "/v1/score"),
        ("POST", "/classify"),
        ("POST", "/v1/classify"),
        ("POST", "/v1/audio/transcriptions"),
        ("POST", "/v1/audio/translations"),
        ("POST", "/v1/audio/speech"),
        ("POST", "/tokenize"),
        ("POST", "/detokenize"),
        ("GET", "/v1/models"),
        ("GET", "/v1/models/org/model"),
        ("GET", "/version"),
        ("GET", "/health"),
        ("GET", "/health_generate"),
    ],
)
def test_what_makes_none_passes_at_once(method: str, path: str) -> None:
    found = CATALOGUE.find(method, path)
    assert isinstance(found, Endpoint)
    assert found.kind is EndpointKind.PASS


@pytest.mark.parametrize("paths", [VLLM, SGLANG])
def test_each_path_is_in_one_row_and_none_that_passes_is_administrative(paths: EnginePaths) -> None:
    rows = [*paths.generating, *paths.passing, *paths.stateful]
    found = [row.partition(" ")[2] for row in rows]
    assert len(found) == len(set(found))
    assert not any(path in CATALOGUE.administration for path in found)
    assert {path for path in ASKABLE_FOR_USAGE if f"POST {path}" in paths.generating} == ASKABLE_FOR_USAGE
