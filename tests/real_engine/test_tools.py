import json
from typing import Any

import pytest

from tests.real_engine.server import EngineServer
from tests.real_engine.ways import BothWays, Way

SCHEMA = {
    "type": "object",
    "properties": {"place": {"enum": ["here", "there"]}},
    "required": ["place"],
    "additionalProperties": False,
}
FUNCTION = {"name": "look", "description": "Looks somewhere.", "parameters": SCHEMA, "strict": True}
CHAT: dict[str, Any] = {
    "model": "tiny",
    "messages": [{"role": "user", "content": "look around"}],
    "tools": [{"type": "function", "function": FUNCTION}],
    "max_tokens": 80,
    "temperature": 0,
}
MESSAGES = {
    "model": "tiny",
    "messages": [{"role": "user", "content": "look around"}],
    "tools": [{"name": "look", "description": "Looks somewhere.", "input_schema": SCHEMA, "strict": True}],
    "max_tokens": 80,
    "temperature": 0,
}
RESPONSES = {
    "model": "tiny",
    "input": "look around",
    "tools": [{"type": "function", **FUNCTION}],
    "max_output_tokens": 80,
    "temperature": 0,
}


@pytest.mark.parametrize("choice", ["auto", "none", "required", {"type": "function", "function": {"name": "look"}}])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_chat_with_tools_is_the_engines(both: BothWays, choice: object, stream: bool) -> None:  # noqa: FBT001
    body = {**CHAT, "tool_choice": choice, "stream": stream}
    assert both.same(lambda way: way.http.post("/v1/chat/completions", json=body)).status_code == 200


@pytest.mark.parametrize("choice", ["auto", "any", "tool", "none"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_message_with_tools_is_the_engines(both: BothWays, choice: str, stream: bool) -> None:  # noqa: FBT001
    wanted = {"type": choice} | ({"name": "look"} if choice == "tool" else {})
    body = {**MESSAGES, "tool_choice": wanted, "stream": stream}
    assert both.same(lambda way: way.http.post("/v1/messages", json=body)).status_code == 200


@pytest.mark.parametrize("choice", ["auto", "required"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_response_with_tools_is_the_engines(both: BothWays, choice: str, stream: bool) -> None:  # noqa: FBT001
    body = {**RESPONSES, "tool_choice": choice, "stream": stream}
    assert both.same(lambda way: way.http.post("/v1/responses", json=body)).status_code == 200


def test_an_agent_calls_its_tool_and_goes_on_with_the_result(both: BothWays) -> None:
    def ask(way: Way) -> Any:  # noqa: ANN401 - what the SDK returns for an untyped body
        choice = {"type": "function", "function": {"name": "look"}}
        extra: dict[str, Any] = {
            "tool_choice": choice,
            "logit_bias": no_blanks(way),
            "extra_headers": {"x-session-id": "tool-user"},
        }
        first = way.openai.chat.completions.create(**CHAT, **extra)
        (call,) = first.choices[0].message.tool_calls
        assert json.loads(call.function.arguments)["place"] in {"here", "there"}
        history = [
            *CHAT["messages"],
            first.choices[0].message.model_dump(exclude_none=True),
            {"role": "tool", "tool_call_id": call.id, "content": "nothing to see"},
        ]
        return way.openai.chat.completions.create(**{**CHAT, **extra, "messages": history, "tool_choice": "auto"})

    assert both.same(ask).choices[0].message.content


def test_a_streamed_tool_call_is_the_engines(engine: EngineServer, both: BothWays) -> None:
    choice = {"type": "function", "function": {"name": "look"}}
    body = {**CHAT, "tool_choice": choice, "logit_bias": no_blanks(both.direct), "stream": True}
    answer = both.same(lambda way: way.http.post("/v1/chat/completions", json=body))
    assert answer.status_code == 200
    if engine.kind == "vllm":  # SGLang lets a random model write up to its limit
        assert '"finish_reason":"stop"' in answer.text
        assert '"tool_calls":[{"id":' in answer.text


def no_blanks(way: Way) -> dict[str, int]:
    """A bias against white space. A random model puts any amount of white space between the tokens of a JSON answer."""
    answers = [way.http.post("/tokenize", json={"model": "tiny", "prompt": blank}) for blank in "\t\n\r "]
    return {str(token): -100 for answer in answers for token in answer.json()["tokens"]}
