from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from tests.real_engine.gateway import gateway
from tests.real_engine.vllm_server import VllmServer
from tests.real_engine.ways import BothWays, Way

pytestmark = pytest.mark.only("vllm", "these are flags and paths of vLLM; SGLang was not tried")

TEXTS = ["one text", "and another, longer text"]


@contextmanager
def both_ways_to(task: str) -> Iterator[BothWays]:
    """A server that makes no tokens, but a vector from the states of its model."""
    with (
        VllmServer("tiny", "--runner", "pooling", "--convert", task) as server,
        gateway(server.url) as url,
        closing(Way(server.url)) as direct,
        closing(Way(url)) as proxied,
    ):
        yield BothWays(direct, proxied)


@pytest.fixture(scope="module")
def embedding() -> Iterator[BothWays]:
    with both_ways_to("embed") as both:
        yield both


def test_embeddings_are_the_engines(embedding: BothWays) -> None:
    answer = embedding.same(
        lambda way: way.openai.embeddings.create(model="tiny", input=TEXTS, encoding_format="float")
    )
    assert [len(item.embedding) for item in answer.data] == [128, 128]


def test_embeddings_as_the_sdk_asks_for_them_are_the_engines(embedding: BothWays) -> None:
    assert len(embedding.same(lambda way: way.openai.embeddings.create(model="tiny", input=TEXTS)).data) == 2


@pytest.mark.parametrize("path", ["/score", "/v1/score"])
def test_scores_are_the_engines(embedding: BothWays, path: str) -> None:
    body = {"model": "tiny", "text_1": "a question", "text_2": TEXTS}
    assert len(embedding.same(lambda way: way.http.post(path, json=body)).json()["data"]) == 2


@pytest.mark.parametrize("path", ["/rerank", "/v1/rerank", "/v2/rerank"])
def test_ranks_are_the_engines(embedding: BothWays, path: str) -> None:
    body = {"model": "tiny", "query": "a question", "documents": TEXTS}
    assert len(embedding.same(lambda way: way.http.post(path, json=body)).json()["results"]) == 2


def test_pooled_states_are_the_engines(embedding: BothWays) -> None:
    body = {"model": "tiny", "input": TEXTS}
    assert embedding.same(lambda way: way.http.post("/pooling", json=body)).status_code == 200


def test_a_refusal_of_bad_input_is_the_engines(embedding: BothWays) -> None:
    body = {"model": "tiny", "input": "x " * 9000}
    assert embedding.same(lambda way: way.http.post("/v1/embeddings", json=body)).status_code == 400


def test_classes_are_the_engines() -> None:
    with both_ways_to("classify") as both:
        body = {"model": "tiny", "input": TEXTS}
        answer = both.same(lambda way: way.http.post("/classify", json=body))
        assert [len(item["probs"]) for item in answer.json()["data"]] == [2, 2]
