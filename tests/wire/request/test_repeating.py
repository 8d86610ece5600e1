import json

import pytest

from concur_proxy.engines.kinds.sglang import paths as sglang
from concur_proxy.engines.kinds.vllm import paths as vllm
from concur_proxy.wire.request.body import JsonBody
from concur_proxy.wire.request.body_reader import JsonBodyReader
from concur_proxy.wire.request.endpoint_rule import EndpointKind, parse_endpoint_rule
from concur_proxy.wire.request.endpoints import Endpoint, EndpointCatalogue
from concur_proxy.wire.request.repeating import may_repeat

CATALOGUE = EndpointCatalogue([parse_endpoint_rule("POST /own", EndpointKind.GENERATE)], (vllm.PATHS, sglang.PATHS))


def _may(
    path: str, body: dict[str, object] | None = None, *, method: str = "POST", may_have_begun: bool = True
) -> bool:
    endpoint = CATALOGUE.find(method, path)
    assert isinstance(endpoint, Endpoint)
    head = JsonBodyReader().read(json.dumps(body or {}).encode())
    assert isinstance(head, JsonBody)
    return may_repeat(endpoint, method, head, may_have_begun=may_have_begun)


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages", "/generate", "/v1/embeddings", "/tokenize"])
def test_what_only_computes_may_be_computed_again(path: str) -> None:
    assert _may(path)
    assert _may(path, may_have_begun=False)


def test_what_leaves_something_behind_is_repeated_only_if_it_cannot_have_begun() -> None:
    cases: list[tuple[str, dict[str, object]]] = [
        ("/v1/responses", {}),
        ("/v1/responses", {"store": False, "background": True}),
        ("/v1/chat/completions", {"store": True}),
        ("/v1/responses/resp_1/cancel", {}),
        ("/own", {}),
    ]
    for path, more in cases:
        assert not _may(path, more), (path, more)
        assert _may(path, more, may_have_begun=False), (path, more)
    assert _may("/v1/responses", {"store": False})
    assert _may("/v1/models", method="GET")


@pytest.mark.parametrize(
    ("path", "more"),
    [
        ("/v1/responses", {"previous_response_id": "resp_1", "store": False}),
        ("/v1/responses", {"conversation": {"id": "conv_1"}}),
        ("/generate", {"session_params": {"id": "s"}}),
        ("/open_session", {}),
        ("/close_session", {"session_id": "s"}),
    ],
)
def test_what_goes_on_from_one_engines_state_is_never_sent_to_another(path: str, more: dict[str, object]) -> None:
    assert not _may(path, more)
    assert not _may(path, more, may_have_begun=False)
