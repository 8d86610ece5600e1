from dataclasses import dataclass
from urllib.parse import unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from concur_proxy.engines.kinds.sglang.paths import PATHS as SGLANG
from concur_proxy.engines.kinds.vllm.paths import PATHS as VLLM
from concur_proxy.wire.answer.fault import GatewayFault
from concur_proxy.wire.api_shape import ApiShape
from concur_proxy.wire.request.endpoint_rule import EndpointKind, parse_endpoint_rule
from concur_proxy.wire.request.endpoints import MAX_PATH_CHARS, Administration, Endpoint, EndpointCatalogue, Refusal

KNOWN = (VLLM, SGLANG)
NAMED = sorted({path for paths in KNOWN for path in paths.administrative if not path.endswith("/*")})
ADMINISTRATION = [*NAMED, "/hicache/storage-backend", "/dumper/x", "/debug/x", "/fault_tolerance/apply"]

# vLLM 0.32.0 as captured (its openapi document), without /metrics, which is the gateway's own
VLLM_PATHS = [
    ("POST", "/detokenize", "pass"),
    ("POST", "/generative_scoring", "pass"),
    ("GET", "/health", "pass"),
    ("POST", "/invocations", "generate"),
    ("POST", "/is_scaling_elastic_ep", "refused"),
    ("GET", "/kv_event_sources", "refused"),
    ("GET", "/load", "pass"),
    ("GET", "/ping", "pass"),
    ("POST", "/ping", "pass"),
    ("POST", "/scale_elastic_ep", "refused"),
    ("POST", "/tokenize", "pass"),
    ("POST", "/v1/chat/completions", "generate"),
    ("POST", "/v1/chat/completions/batch", "generate"),
    ("POST", "/v1/completions", "generate"),
    ("POST", "/v1/messages", "generate"),
    ("POST", "/v1/messages/count_tokens", "pass"),
    ("GET", "/v1/models", "pass"),
    ("POST", "/v1/responses", "generate"),
    ("GET", "/v1/responses/resp_0123", "pass"),
    ("POST", "/v1/responses/resp_0123/cancel", "pass"),
    ("POST", "/v1/systemone", "pass"),
    ("GET", "/version", "pass"),
]


def found(method: str, path: str, *rules: str) -> Endpoint | Refusal:
    parsed = [parse_endpoint_rule(rule, EndpointKind.PASS) for rule in rules]
    return EndpointCatalogue(parsed, KNOWN).find(method, path)


def endpoint(method: str, path: str, *rules: str) -> Endpoint:
    answer = found(method, path, *rules)
    assert isinstance(answer, Endpoint), answer
    return answer


def refusal(method: str, path: str, *rules: str) -> Refusal:
    answer = found(method, path, *rules)
    assert isinstance(answer, Refusal), answer
    return answer


@pytest.mark.parametrize(("method", "path", "kind"), VLLM_PATHS)
def test_every_path_of_a_real_vllm_has_its_place(method: str, path: str, kind: str) -> None:
    answer = found(method, path)
    if kind == "refused":
        assert isinstance(answer, Refusal)
        assert answer.fault is GatewayFault.ADMIN_REFUSED
    else:
        assert isinstance(answer, Endpoint)
        assert answer.kind.value == kind


def test_generating_endpoints_tell_shape_and_whether_usage_can_be_asked_for() -> None:
    chat = endpoint("POST", "/v1/chat/completions")
    assert chat.kind is EndpointKind.GENERATE
    assert chat.can_ask_usage
    assert chat.shape is ApiShape.OPENAI
    assert endpoint("POST", "/v1/completions").can_ask_usage
    for path, shape in [
        ("/v1/responses", ApiShape.RESPONSES),
        ("/v1/messages", ApiShape.ANTHROPIC),
        ("/generate", ApiShape.SGLANG),
        ("/invocations", ApiShape.OPENAI),
    ]:
        other = endpoint("POST", path)
        assert other.kind is EndpointKind.GENERATE
        assert not other.can_ask_usage
        assert other.shape is shape


@pytest.mark.parametrize(
    ("path", "takes_batches"),
    [
        ("/v1/chat/completions", False),
        ("/v1/messages", False),
        ("/v1/responses", False),
        ("/v1/completions", True),
        ("/v1/chat/completions/batch", True),
        ("/generate", True),
        ("/invocations", True),
    ],
)
def test_where_one_request_can_have_several_prompts(path: str, *, takes_batches: bool) -> None:
    endpoint = EndpointCatalogue(known=KNOWN).find("POST", path)
    assert isinstance(endpoint, Endpoint)
    assert endpoint.takes_batches is takes_batches


@pytest.mark.parametrize("model", ["m", "Qwen/Qwen3-8B", "a/b/c", "ft:gpt:org::7", "x..y", "...", "v1.0"])
def test_model_ids_may_hold_slashes_and_dots(model: str) -> None:
    answer = endpoint("GET", f"/v1/models/{model}")
    assert answer.kind is EndpointKind.PASS
    assert answer.route == "/v1/models/{id}"


def test_response_ids_may_not_hold_slashes() -> None:
    assert endpoint("GET", "/v1/responses/resp_1").route == "/v1/responses/{id}"
    assert endpoint("DELETE", "/v1/responses/resp_1").route == "/v1/responses/{id}"
    assert endpoint("POST", "/v1/responses/resp_1/cancel").route == "/v1/responses/{id}/cancel"
    assert refusal("GET", "/v1/responses/a/b").fault is GatewayFault.UNKNOWN_PATH
    assert refusal("POST", "/v1/responses//cancel").fault is GatewayFault.UNKNOWN_PATH
    assert refusal("POST", "/v1/responses/cancel").fault is GatewayFault.WRONG_METHOD


def test_a_wrong_method_is_told_the_right_ones() -> None:
    answer = refusal("DELETE", "/generate")
    assert answer.fault is GatewayFault.WRONG_METHOD
    assert answer.allow == ("POST", "PUT")
    assert answer.detail == "DELETE /generate"
    assert refusal("post", "/v1/chat/completions").fault is GatewayFault.WRONG_METHOD
    assert refusal("POST", "/v1/models/m").allow == ("GET",)


def test_preflights_and_head_pass_without_admission() -> None:
    assert endpoint("OPTIONS", "/v1/chat/completions").kind is EndpointKind.PASS
    assert not endpoint("OPTIONS", "/v1/chat/completions").can_ask_usage
    assert endpoint("HEAD", "/health").kind is EndpointKind.PASS
    assert endpoint("HEAD", "/v1/models/m").kind is EndpointKind.PASS
    assert refusal("HEAD", "/v1/chat/completions").fault is GatewayFault.WRONG_METHOD
    assert refusal("OPTIONS", "/flush_cache").fault is GatewayFault.ADMIN_REFUSED


@pytest.mark.parametrize("path", ADMINISTRATION)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD"])
def test_administration_is_refused(method: str, path: str) -> None:
    assert refusal(method, path).fault is GatewayFault.ADMIN_REFUSED


@pytest.mark.parametrize(
    "raw",
    [
        "/v1/../flush_cache",
        "/v1/models/../../flush_cache",
        "/v1/models/%2e%2e/%2e%2e/flush_cache",
        "/v1/models/%252e%252e/flush_cache",
        "/v1/models/..%2f..%2fflush_cache",
        "/v1/models/..%5c..%5cflush_cache",
        "/v1/models/./m",
        "/v1/models//flush_cache",
        "/v1/models/m/",
        "/v1/models/",
        "/v1/models/m;x=/../flush_cache",
        "/v1/models/m%00",
        "/v1/models/m%0d%0aX:%20y",
        "/v1/models/m%3fq",
        "/v1/models/m%23f",
        "/v1/responses/../../flush_cache/cancel",
        "/v1/responses/%2e%2e/cancel",
        "/v1/chat/completions/",
        "/v1//chat/completions",
        "/V1/chat/completions",
        "//v1/chat/completions",
        "v1/chat/completions",
        "/v1/chat/completions ",
        "",
        "/",
        "*",
        "http://127.0.0.1/v1/chat/completions",
    ],
)
def test_a_path_that_could_be_read_in_two_ways_is_unknown(raw: str) -> None:
    for method in ("GET", "POST", "DELETE", "OPTIONS"):
        assert refusal(method, unquote(raw)).fault is GatewayFault.UNKNOWN_PATH


@pytest.mark.parametrize("path", ["//flush_cache", "/flush_cache/", "/flush_cache//", "/FLUSH_CACHE"])
def test_other_spellings_of_administration_are_refused_as_such(path: str) -> None:
    assert refusal("POST", path).fault is GatewayFault.ADMIN_REFUSED


def test_long_paths_are_unknown() -> None:
    assert isinstance(found("GET", "/v1/models/" + "m" * 900), Endpoint)
    assert refusal("GET", "/v1/models/" + "m" * MAX_PATH_CHARS).fault is GatewayFault.UNKNOWN_PATH


def test_configuration_adds_paths() -> None:
    assert refusal("POST", "/my/path").fault is GatewayFault.UNKNOWN_PATH
    assert endpoint("POST", "/my/path", "POST /my/path").kind is EndpointKind.PASS
    assert refusal("GET", "/my/path", "POST /my/path").allow == ("POST",)
    below = endpoint("GET", "/foo/a/b", "GET /foo/*")
    assert below.route == "/foo/*"
    assert refusal("GET", "/foo", "GET /foo/*").fault is GatewayFault.UNKNOWN_PATH
    assert refusal("GET", "/foo/../flush_cache", "GET /foo/*").fault is GatewayFault.UNKNOWN_PATH


def test_configuration_adds_generating_paths() -> None:
    rule = parse_endpoint_rule("POST /v1/messages/mine", EndpointKind.GENERATE)
    answer = EndpointCatalogue([rule], KNOWN).find("POST", "/v1/messages/mine")
    assert isinstance(answer, Endpoint)
    assert answer.kind is EndpointKind.GENERATE
    assert answer.shape is ApiShape.ANTHROPIC


def test_configuration_comes_before_the_built_in_rows() -> None:
    rule = parse_endpoint_rule("POST /v1/embeddings", EndpointKind.GENERATE)
    answer = EndpointCatalogue([rule], KNOWN).find("POST", "/v1/embeddings")
    assert isinstance(answer, Endpoint)
    assert answer.kind is EndpointKind.GENERATE


def test_a_wide_rule_leaves_the_other_methods_and_admission_alone() -> None:
    assert endpoint("POST", "/v1/chat/completions", "GET /v1/*").kind is EndpointKind.GENERATE
    assert endpoint("GET", "/v1/chat/completions", "GET /v1/*").kind is EndpointKind.PASS
    assert endpoint("POST", "/v1/responses/r/cancel", "GET /v1/*").route == "/v1/responses/{id}/cancel"


def test_administration_opens_by_its_exact_path_only() -> None:
    assert endpoint("POST", "/flush_cache", "POST /flush_cache").kind is EndpointKind.PASS
    assert refusal("GET", "/flush_cache", "POST /flush_cache").fault is GatewayFault.WRONG_METHOD
    assert refusal("POST", "/sleep", "POST /flush_cache").fault is GatewayFault.ADMIN_REFUSED
    assert endpoint("POST", "/unheard/of", "POST /*").kind is EndpointKind.PASS
    for path in ADMINISTRATION:
        assert refusal("POST", path, "POST /*").fault is GatewayFault.ADMIN_REFUSED
        assert isinstance(found("POST", f"/v1/models/../..{path}", "POST /*"), Refusal)


_PIECES = st.sampled_from(
    ["/", "//", ".", "..", "%2e", "%2f", "\\", "v1", "models", "responses", "cancel", "m", "\x00", " ", ";", "?", "é"]
    + [path.strip("/") for path in ADMINISTRATION]
)


@given(
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD", "PATCH"]),
    path=st.lists(_PIECES, max_size=8).map("".join) | st.text(max_size=40),
    decode=st.booleans(),
)
@example(method="GET", path="/v1/models/../flush_cache", decode=False)
def test_no_string_reaches_administration(method: str, path: str, decode: bool) -> None:  # noqa: FBT001
    path = unquote(path) if decode else path
    for rules in ((), ("GET,POST,PUT,DELETE /*",)):
        if isinstance(found(method, path, *rules), Endpoint):
            segments = path.split("/")[1:]
            assert path.startswith("/")
            assert all(segment not in ("", ".", "..") for segment in segments)
            assert not set(path) & set("%\\?#; \x00")
            assert path not in Administration(ADMINISTRATION)


@pytest.mark.parametrize("path", NAMED)
def test_administration_is_known_in_any_case_and_with_any_slashes(path: str) -> None:
    for spelling in (path, f"{path}/", f"/{path}", path.upper(), path.replace("/", "//")):
        assert spelling in Administration(NAMED)


@pytest.mark.parametrize("path", ["", "/", "/v1/models/sleep", "/sleepy", "/v1/sleep", "/hicache"])
def test_a_similar_path_is_not_administration(path: str) -> None:
    assert path not in Administration([*NAMED, "/hicache/*"])


@dataclass(frozen=True, kw_only=True)
class Paths:
    """The paths of an engine kind outside the package."""

    generating: tuple[str, ...] = ()
    passing: tuple[str, ...] = ()
    stateful: tuple[str, ...] = ()
    administrative: tuple[str, ...] = ()


def test_a_kind_opens_no_path_that_another_kind_calls_administrative() -> None:
    other = Paths(generating=("POST /flush_cache",), passing=("POST /hicache/x", "POST /mine", "POST /{id}"))
    catalogue = EndpointCatalogue(known=(other, *KNOWN))
    assert isinstance(catalogue.find("POST", "/mine"), Endpoint)
    for path in ("/flush_cache", "/hicache/x", "/sleep"):
        assert isinstance(catalogue.find("POST", path), Refusal), path


def test_two_kinds_may_take_different_methods_on_one_path() -> None:
    other = Paths(generating=("PUT /v1/chat/completions",), passing=("DELETE /v1/models/{id:path}",))
    catalogue = EndpointCatalogue(known=(*KNOWN, other))
    for method, path in (("PUT", "/v1/chat/completions"), ("POST", "/v1/chat/completions"), ("GET", "/v1/models/a/b")):
        assert isinstance(catalogue.find(method, path), Endpoint), (method, path)
    assert isinstance(catalogue.find("DELETE", "/v1/models/a/b"), Endpoint)


@pytest.mark.parametrize("row", ["/v1/x", "FETCH /v1/x", "GET v1/x", "GET", ""])
def test_a_row_that_is_not_methods_and_a_path_is_an_error(row: str) -> None:
    with pytest.raises(ValueError, match="in the paths of an engine kind: write it as 'GET,POST /path'"):
        EndpointCatalogue(known=[Paths(passing=(row,))])


def test_what_a_kind_that_is_not_known_here_calls_administrative_stays_refused() -> None:
    rule = parse_endpoint_rule("GET,POST /*", EndpointKind.PASS)
    other = Paths(passing=("POST /mine", "POST /server_info", "GET /{id:path}"))
    catalogue = EndpointCatalogue([rule], [other], KNOWN)
    assert isinstance(catalogue.find("POST", "/mine"), Endpoint)
    for path in ADMINISTRATION:
        for method in ("GET", "POST"):
            answer = catalogue.find(method, path)
            assert isinstance(answer, Refusal), path
            assert answer.fault is GatewayFault.ADMIN_REFUSED
    named = parse_endpoint_rule("POST /sleep", EndpointKind.PASS)
    assert isinstance(EndpointCatalogue([named], [other], KNOWN).find("POST", "/sleep"), Endpoint)
    assert isinstance(catalogue.find("POST", "/v1/chat/completions"), Endpoint), "the rule is for it"
    assert isinstance(EndpointCatalogue([], [other], [VLLM]).find("POST", "/v1/score"), Refusal), "only known kinds"


@pytest.mark.parametrize("written", ["/Admin/Reset", "/admin/reset/", "/ADMIN/*"])
def test_a_kind_may_write_an_administrative_path_in_any_case(written: str) -> None:
    rule = parse_endpoint_rule("POST /*", EndpointKind.PASS)
    catalogue = EndpointCatalogue([rule], [Paths(administrative=(written,))])
    for path in ("/admin/reset", "/Admin/Reset"):
        assert isinstance(catalogue.find("POST", path), Refusal)
