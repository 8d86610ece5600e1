import pytest

from tests.real_engine.ways import BothWays

JSON_REQUESTS = [
    ("/tokenize", {"model": "tiny", "prompt": "some text"}),
    ("/tokenize", {"model": "tiny", "messages": [{"role": "user", "content": "some text"}]}),
    ("/detokenize", {"model": "tiny", "tokens": [40, 41, 42]}),
    (
        "/invocations",
        {"model": "tiny", "messages": [{"role": "user", "content": "x"}], "max_tokens": 4, "temperature": 0},
    ),
]
VLLM_REQUESTS = [
    (
        "/v1/chat/completions/batch",
        {"model": "tiny", "messages": [[{"role": "user", "content": "some text"}]], "max_tokens": 4, "temperature": 0},
    ),
    ("/generative_scoring", {"model": "tiny", "query": "a", "items": ["b", "c"], "label_token_ids": [40, 41]}),
]


@pytest.mark.parametrize(("path", "body"), JSON_REQUESTS, ids=[path for path, _ in JSON_REQUESTS])
def test_further_endpoints_answer_as_the_engine_does(both: BothWays, path: str, body: dict[str, object]) -> None:
    assert both.same(lambda way: way.http.post(path, json=body)).status_code == 200


@pytest.mark.only("vllm", "SGLang has no such path")
@pytest.mark.parametrize(("path", "body"), VLLM_REQUESTS, ids=[path for path, _ in VLLM_REQUESTS])
def test_endpoints_of_vllm_answer_as_it_does(both: BothWays, path: str, body: dict[str, object]) -> None:
    assert both.same(lambda way: way.http.post(path, json=body)).status_code == 200


@pytest.mark.only("vllm", "SGLang has no such path")
@pytest.mark.parametrize("path", ["/version", "/load"])
def test_the_state_of_vllm_is_told(both: BothWays, path: str) -> None:
    assert both.same(lambda way: way.http.get(path)).status_code == 200


@pytest.mark.parametrize("path", ["/health", "/ping", "/v1/models"])
def test_the_engines_own_state_is_told(both: BothWays, path: str) -> None:
    assert both.same(lambda way: way.http.get(path)).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/v1/embeddings",
        "/v1/rerank",
        "/rerank",
        "/v2/rerank",
        "/score",
        "/v1/score",
        "/classify",
        "/pooling",
        "/v2/embed",
    ],
)
def test_what_this_model_cannot_do_is_refused_by_the_engine_itself(both: BothWays, path: str) -> None:
    body = {"model": "tiny", "input": "x"}
    assert both.same(lambda way: way.http.post(path, json=body)).status_code >= 400


@pytest.mark.parametrize("path", ["/v1/audio/transcriptions", "/v1/audio/translations"])
def test_audio_reaches_an_engine_that_cannot_hear(both: BothWays, path: str) -> None:
    files = {"file": ("sound.wav", b"RIFF" + bytes(4096), "audio/wav")}
    assert both.same(lambda way: way.http.post(path, data={"model": "tiny"}, files=files)).status_code >= 400


def test_a_wrong_method_of_the_client_gets_an_error_that_names_the_right_one(both: BothWays) -> None:
    answer = both.proxied.http.get("/v1/chat/completions")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
