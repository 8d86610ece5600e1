import pytest
from openai import NotFoundError
from openai.types.chat import ChatCompletionChunk
from openai.types.completion import Completion
from openai.types.responses import Response, ResponseStreamEvent

from tests.real_engine.ways import BothWays, Way

GREEDY = {"temperature": 0.0, "seed": 7}
TEXT = "tell me what the test says"


def chat_stream(way: Way, **extra: object) -> list[ChatCompletionChunk]:
    return list(
        way.openai.chat.completions.create(
            model="tiny",
            messages=[{"role": "user", "content": TEXT}],
            max_tokens=24,
            stream=True,
            **GREEDY,  # type: ignore[call-overload]
            **extra,
        )
    )


def test_a_chat_completion_is_the_engines(both: BothWays) -> None:
    answer = both.same(
        lambda way: way.openai.chat.completions.create(
            model="tiny", messages=[{"role": "user", "content": TEXT}], max_tokens=24, temperature=0, seed=7
        )
    )
    assert answer.choices[0].message.content
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 24


def test_a_chat_completion_with_every_odd_option_is_the_engines(both: BothWays) -> None:
    answer = both.same(
        lambda way: way.openai.chat.completions.create(
            model="tiny",
            messages=[
                {"role": "system", "content": "né à Zürich 🙂"},
                {"role": "user", "content": [{"type": "text", "text": TEXT}]},
            ],
            max_completion_tokens=6,
            temperature=0.01,
            seed=7,
            n=2,
            logprobs=True,
            top_logprobs=2,
            stop=["xyzzy"],
            logit_bias={"40": 5},
            user="somebody",
            extra_body={"ignore_eos": True, "return_token_ids": True},
        )
    )
    assert len(answer.choices) == 2


def test_a_chat_stream_is_the_engines(both: BothWays) -> None:
    chunks = both.same(chat_stream)
    assert len(chunks) > 10


def test_a_chat_stream_with_usage_asked_for_shows_it_as_the_engine_does(both: BothWays) -> None:
    chunks = both.same(lambda way: chat_stream(way, stream_options={"include_usage": True}))
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 24


def test_a_chat_stream_with_usage_in_every_event_shows_it_as_the_engine_does(both: BothWays) -> None:
    options = {"include_usage": True, "continuous_usage_stats": True}
    totals = []
    for way in (both.direct, both.proxied):
        # the engine's scheduler decides how many tokens an event has, and so what it reports
        chunks = chat_stream(way, stream_options=options)
        # SGLang's first and last events have none
        assert sum(chunk.usage is not None for chunk in chunks) > 3
        totals.append(next(chunk.usage for chunk in reversed(chunks) if chunk.usage is not None))
    assert totals[0] == totals[1]


@pytest.mark.parametrize("prompt", ["once", ["once", "twice"], [5, 6, 7]])
def test_a_completion_is_the_engines(both: BothWays, prompt: str | list[str]) -> None:
    answer = both.same(
        lambda way: way.openai.completions.create(
            model="tiny", prompt=prompt, max_tokens=12, temperature=0, seed=7, logprobs=1, echo=True
        )
    )
    assert answer.usage is not None


def test_a_completion_stream_is_the_engines(both: BothWays) -> None:
    def ask(way: Way) -> list[Completion]:
        return list(
            way.openai.completions.create(
                model="tiny", prompt="once", max_tokens=12, temperature=0, seed=7, stream=True
            )
        )

    assert len(both.same(ask)) > 3


def test_a_response_is_the_engines(both: BothWays) -> None:
    answer = both.same(
        lambda way: way.openai.responses.create(model="tiny", input=TEXT, max_output_tokens=12, temperature=0)
    )
    assert answer.output_text
    assert answer.usage is not None


def test_a_response_stream_is_the_engines(both: BothWays) -> None:
    def ask(way: Way) -> list[ResponseStreamEvent]:
        return list(
            way.openai.responses.create(model="tiny", input=TEXT, max_output_tokens=12, temperature=0, stream=True)
        )

    events = both.same(ask)
    assert events[0].type == "response.created"
    assert events[-1].type in {"response.completed", "response.incomplete"}  # SGLang's, because it reached its limit


def test_a_stored_response_is_retrieved_through_the_gateway(both: BothWays) -> None:
    def ask(way: Way) -> Response:
        made = way.openai.responses.create(model="tiny", input=TEXT, max_output_tokens=12, temperature=0, store=True)
        retrieved = way.openai.responses.retrieve(made.id)
        assert retrieved == made
        return retrieved

    both.same(ask)


def test_a_response_in_the_background_is_cancelled_through_the_gateway(both: BothWays) -> None:
    def ask(way: Way) -> Response:
        made = way.openai.responses.create(
            model="tiny",
            input=TEXT,
            max_output_tokens=3500,
            background=True,
            store=True,
            extra_body={"ignore_eos": True},
        )
        return way.openai.responses.cancel(made.id)

    assert both.same(ask).status == "cancelled"


def test_the_refusal_of_an_unknown_response_is_the_engines(both: BothWays) -> None:
    ask = lambda way: way.http.get("/v1/responses/resp_unknown")  # noqa: E731
    assert both.same(ask).status_code == 404


def test_models_are_the_engines(both: BothWays) -> None:
    answer = both.same(lambda way: way.http.get("/v1/models"))
    assert [model["id"] for model in answer.json()["data"]] == ["tiny"]
    assert [model.id for model in both.proxied.openai.models.list()] == ["tiny"]


@pytest.mark.only("vllm", "SGLang answers for any model")
def test_the_sdk_gets_the_engines_error_for_an_unknown_model(both: BothWays) -> None:
    with pytest.raises(NotFoundError) as proxied:
        both.same(
            lambda way: way.openai.chat.completions.create(model="none", messages=[{"role": "user", "content": TEXT}])
        )
    assert "none" in str(proxied.value)


@pytest.mark.parametrize(
    "body",
    [
        {"model": "tiny"},
        {"model": "tiny", "messages": "no list"},
        {"model": "tiny", "messages": [{"role": "user", "content": "x"}], "max_tokens": -1},
        {"model": "tiny", "messages": [{"role": "user", "content": "x " * 9000}], "stream": True},
        {"model": "tiny", "messages": [{"role": "user", "content": "x"}], "stream": True, "temperature": "hot"},
    ],
    ids=["no messages", "messages of a wrong type", "negative length", "too long a prompt", "wrong option of a stream"],
)
def test_a_refusal_by_the_engine_passes_unchanged(both: BothWays, body: dict[str, object]) -> None:
    answer = both.same(lambda way: way.http.post("/v1/chat/completions", json=body))
    assert answer.status_code == 400
