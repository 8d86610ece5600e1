"""Agents' loops with the real SDKs: in each API, whole and streamed, tools are called and their results come back."""

import json
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import httpx
import pytest
from anthropic import AsyncAnthropic
from anthropic import BadRequestError as AnthropicBadRequest
from openai import AsyncOpenAI, NotFoundError

from concur_proxy.lab.server.chat import read_chat
from concur_proxy.lab.server.options import EmulatorOptions
from tests.lab.server.test_server import running

SCHEMA = {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}
ASKED = "Read the files. " * 20
STREAMED = pytest.mark.parametrize("stream", [False, True])


@pytest.fixture
async def url() -> AsyncIterator[str]:
    async with running(tool_turns=2, any_model=True, answer_tokens=20) as url:
        yield url


async def chat(client: AsyncOpenAI, messages: list[Any], *, stream: bool) -> Any:  # noqa: ANN401 - unions of the SDK
    tool = {"type": "function", "function": {"name": "read", "parameters": SCHEMA}}
    asked: dict[str, Any] = {"model": "any", "messages": messages, "tools": [tool], "max_tokens": 9000}
    if not stream:
        return await client.chat.completions.create(**asked)
    async with client.chat.completions.stream(**asked, stream_options={"include_usage": True}) as events:
        return await events.get_final_completion()


@STREAMED
async def test_chat(url: str, stream: bool) -> None:  # noqa: FBT001 - pytest passes by name
    messages: list[Any] = [{"role": "user", "content": ASKED}]
    finished, cached = [], []
    async with AsyncOpenAI(base_url=f"{url}/v1", api_key="none") as client:
        for _ in range(3):
            answer = await chat(client, messages, stream=stream)
            choice = answer.choices[0]
            finished.append(choice.finish_reason)
            cached.append((answer.usage.prompt_tokens, answer.usage.prompt_tokens_details.cached_tokens))
            messages.append({"role": "assistant", "content": choice.message.content})
            if choice.message.tool_calls:
                (call,) = choice.message.tool_calls
                assert (call.function.name, json.loads(call.function.arguments)) == ("read", {"path": "pwd"})
                function = {"name": call.function.name, "arguments": call.function.arguments}
                messages[-1]["tool_calls"] = [{"id": call.id, "type": "function", "function": function}]
                messages.append({"role": "tool", "tool_call_id": call.id, "content": "two files " * 30})
    assert finished == ["tool_calls", "tool_calls", "stop"]
    # the call is in the cache as the next prompt repeats it
    assert cached[0][1] == 0
    assert all(now[1] >= before[0] // 16 * 16 for before, now in pairwise(cached))


async def message(client: AsyncAnthropic, messages: list[Any], *, stream: bool) -> Any:  # noqa: ANN401 - unions of the SDK
    tools = [{"name": "read", "input_schema": SCHEMA}]
    asked: dict[str, Any] = {
        "model": "any",
        "messages": messages,
        "tools": tools,
        "max_tokens": 9000,
        "system": "Be brief.",
    }
    if not stream:
        return await client.messages.create(**asked)
    async with client.messages.stream(**asked) as events:
        return await events.get_final_message()


@STREAMED
async def test_messages(url: str, stream: bool) -> None:  # noqa: FBT001 - pytest passes by name
    messages: list[Any] = [{"role": "user", "content": ASKED}]
    stopped, usages = [], []
    async with AsyncAnthropic(base_url=url, api_key="none") as client:
        for _ in range(3):
            answer = await message(client, messages, stream=stream)
            stopped.append(answer.stop_reason)
            usages.append(answer.usage)
            messages.append({"role": "assistant", "content": answer.content})
            if answer.stop_reason == "tool_use":
                (block,) = answer.content
                assert (block.name, block.input) == ("read", {"path": "pwd"})
                result = {"type": "tool_result", "tool_use_id": block.id, "content": "two files " * 30}
                messages.append({"role": "user", "content": [result]})
        counted = await client.messages.count_tokens(model="any", messages=messages[:1])
    assert stopped == ["tool_use", "tool_use", "end_turn"]
    assert usages[0].cache_read_input_tokens == 0
    assert usages[0].input_tokens > counted.input_tokens > 80  # the system prompt and the tools are tokens too
    first = usages[0].input_tokens
    assert usages[1].cache_read_input_tokens >= first // 16 * 16
    assert usages[1].input_tokens < first


async def respond(client: AsyncOpenAI, asked: dict[str, Any], *, stream: bool) -> Any:  # noqa: ANN401 - unions of the SDK
    tool: Any = {"type": "function", "name": "read", "parameters": SCHEMA, "strict": False}
    if not stream:
        return await client.responses.create(model="any", tools=[tool], **asked)
    async with client.responses.stream(model="any", tools=[tool], **asked) as events:
        return await events.get_final_response()


@STREAMED
@pytest.mark.parametrize("by_reference", [False, True])
async def test_responses(url: str, stream: bool, by_reference: bool) -> None:  # noqa: FBT001 - pytest passes by name
    asked: dict[str, Any] = {"input": [{"role": "user", "content": ASKED}], "instructions": "Be brief."}
    outputs, cached = [], []
    async with AsyncOpenAI(base_url=f"{url}/v1", api_key="none") as client:
        for _ in range(3):
            answer = await respond(client, asked, stream=stream)
            (item,) = answer.output
            outputs.append((item.type, answer.status))
            cached.append((answer.usage.input_tokens, answer.usage.input_tokens_details.cached_tokens))
            if item.type == "function_call":
                assert (item.name, json.loads(item.arguments)) == ("read", {"path": "pwd"})
                result = {"type": "function_call_output", "call_id": item.call_id, "output": "two files " * 30}
                if by_reference:
                    asked = {"input": [result], "previous_response_id": answer.id}
                else:
                    asked["input"] = [*asked["input"], item.model_dump(exclude_none=True), result]
        assert (await client.responses.retrieve(answer.id)).output_text == answer.output_text != ""
        with pytest.raises(NotFoundError, match="resp_0"):
            await client.responses.create(model="any", input="and?", previous_response_id="resp_0")
        with pytest.raises(NotFoundError, match="resp_0"):
            await client.responses.retrieve("resp_0")
    assert outputs == [("function_call", "completed"), ("function_call", "completed"), ("message", "completed")]
    assert all(now[1] >= before[0] // 16 * 16 for before, now in pairwise(cached))


async def test_a_thread_continues_a_message_and_keeps_its_tools(url: str) -> None:
    asked: dict[str, Any] = {"model": "any", "max_tokens": 100}
    first = {
        **asked,
        "messages": [{"role": "user", "content": ASKED}],
        "tools": [{"name": "read", "input_schema": SCHEMA}],
        "thread": {"type": "create"},
    }
    async with httpx.AsyncClient(base_url=url) as client:
        began = (await client.post("/v1/messages", json=first)).json()
        thread = {"type": "continue", "previous_message_id": began["id"]}
        result = [{"type": "tool_result", "tool_use_id": began["content"][0]["id"], "content": "two files"}]
        again = {**asked, "messages": [{"role": "user", "content": result}], "thread": thread}
        answer = (await client.post("/v1/messages", json=again)).json()
        assert answer["stop_reason"] == "tool_use"
        assert answer["usage"]["cache_read_input_tokens"] >= began["usage"]["input_tokens"] // 16 * 16
        again["thread"] = {"type": "continue", "previous_message_id": "msg_0"}
        refused = await client.post("/v1/messages", json=again)
    assert (refused.status_code, refused.json()["error"]["type"]) == (404, "not_found_error")


async def test_limits_cut_an_answer(url: str) -> None:
    async with (
        AsyncAnthropic(base_url=url, api_key="none") as client,
        AsyncOpenAI(base_url=f"{url}/v1", api_key="none") as other,
    ):
        answer = await client.messages.create(model="any", messages=[{"role": "user", "content": "hi"}], max_tokens=3)
        assert (answer.stop_reason, answer.usage.output_tokens) == ("max_tokens", 3)
        response = await other.responses.create(model="any", input="hi", max_output_tokens=3)
        assert response.status == "incomplete"
        assert response.incomplete_details is not None
        assert response.incomplete_details.reason == "max_output_tokens"
        with pytest.raises(AnthropicBadRequest, match="max_tokens"):
            await client.messages.create(model="any", messages=[{"role": "user", "content": "hi"}], max_tokens=0)


async def test_any_model_is_answered_only_if_asked() -> None:
    async with running() as url, httpx.AsyncClient(base_url=url) as client:
        body = {"model": "other", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 1}
        assert (await client.post("/v1/messages", json=body)).json()["error"]["type"] == "not_found_error"


def test_max_tokens_is_a_limit_if_there_are_tools_and_else_the_length() -> None:
    asked = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 50}
    options = EmulatorOptions(answer_tokens=10)
    tools = [{"type": "function", "function": {"name": "read"}}]
    assert read_chat(asked, options).generation.request.output_tokens == 50
    assert read_chat({**asked, "tools": tools}, options).generation.request.output_tokens == 10
