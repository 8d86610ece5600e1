"""Loops whose sessions `concur_proxy.client` names and ends. The argument names the client, see `LOOPS`.

Each shows how the helper is attached to one SDK or framework.
"""

# ruff: noqa: ANN001, ANN003, ANN201, PLC0415 - each client is imported where it is used: not all are installed

import asyncio
import inspect
import sys

from concur_proxy.client import attach, headers, session
from tests.real_clients.task import MODEL, OPENAI_TOOLS, SYSTEM, TASK

V1 = f"{TASK.url}/v1"
QUESTION = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": TASK.prompt}]


def read_file(path: str) -> str:
    """Read a file.

    Args:
        path: the file
    """
    return TASK.result()


def openai():
    from openai import OpenAI

    client = attach(OpenAI(base_url=V1, api_key="none"))
    messages = list(QUESTION)
    for _ in range(TASK.turns):
        answer = client.chat.completions.create(model=MODEL, messages=messages, tools=OPENAI_TOOLS)
        messages += after(answer.choices[0].message)


async def openai_async():
    from openai import AsyncOpenAI

    client = attach(AsyncOpenAI(base_url=V1, api_key="none"))
    messages = list(QUESTION)
    for _ in range(TASK.turns):
        async with client.chat.completions.stream(model=MODEL, messages=messages, tools=OPENAI_TOOLS) as stream:
            messages += after((await stream.get_final_completion()).choices[0].message)


def anthropic():
    from anthropic import Anthropic, beta_tool

    client = attach(Anthropic(base_url=TASK.url, api_key="none"))
    client.beta.messages.tool_runner(**of_runner(beta_tool)).until_done()


async def anthropic_async():
    from anthropic import AsyncAnthropic, beta_async_tool

    client = attach(AsyncAnthropic(base_url=TASK.url, api_key="none"))

    async def read_it(path: str) -> str:
        return TASK.result()

    read_it.__doc__, read_it.__name__ = read_file.__doc__, read_file.__name__
    await client.beta.messages.tool_runner(**of_runner(beta_async_tool, read_it)).until_done()


def litellm():
    import litellm
    from openai import OpenAI

    client = attach(OpenAI(base_url=V1, api_key="none"))
    messages = list(QUESTION)
    for _ in range(TASK.turns):
        answer = litellm.completion(model=f"openai/{MODEL}", messages=messages, tools=OPENAI_TOOLS, client=client)
        messages += after(answer.choices[0].message)


async def litellm_headers():
    import litellm

    messages = list(QUESTION)
    for _ in range(TASK.turns):
        answer = await litellm.acompletion(
            model=f"openai/{MODEL}", api_base=V1, api_key="none", messages=messages, tools=OPENAI_TOOLS,
            extra_headers=headers(),
        )  # fmt: skip
        messages += after(answer.choices[0].message)


def langchain():
    from langchain_openai import ChatOpenAI

    model = ChatOpenAI(model=MODEL, base_url=V1, api_key="none")
    attach(model.root_client)
    langchain_agent(model).invoke({"messages": [("user", TASK.prompt)]})


async def langchain_async():
    from langchain_openai import ChatOpenAI

    model = ChatOpenAI(model=MODEL, base_url=V1, api_key="none")
    attach(model.root_async_client)
    await langchain_agent(model).ainvoke({"messages": [("user", TASK.prompt)]})


async def langchain_anthropic():
    from langchain_anthropic import ChatAnthropic

    model = ChatAnthropic(model=MODEL, base_url=TASK.url, api_key="none", max_tokens=1000)
    attach(model._async_client)
    await langchain_agent(model).ainvoke({"messages": [("user", TASK.prompt)]})


def agents():
    from agents import Agent, Runner, function_tool, set_default_openai_client, set_tracing_disabled
    from openai import AsyncOpenAI

    set_tracing_disabled(True)
    set_default_openai_client(attach(AsyncOpenAI(base_url=V1, api_key="none")))
    agent = Agent(name="engineer", instructions=SYSTEM, tools=[function_tool(read_file)], model=MODEL)
    Runner.run_sync(agent, TASK.prompt, max_turns=TASK.turns + 1)


async def agents_async():
    from agents import Agent, OpenAIChatCompletionsModel, Runner, function_tool, set_tracing_disabled
    from openai import AsyncOpenAI

    set_tracing_disabled(True)
    model = OpenAIChatCompletionsModel(MODEL, attach(AsyncOpenAI(base_url=V1, api_key="none")))
    agent = Agent(name="engineer", instructions=SYSTEM, tools=[function_tool(read_file)], model=model)
    await Runner.run(agent, TASK.prompt, max_turns=TASK.turns + 1)


def pydantic_ai():
    from openai import AsyncOpenAI
    from pydantic_ai import Agent
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    provider = OpenAIProvider(openai_client=attach(AsyncOpenAI(base_url=V1, api_key="none")))
    Agent(OpenAIChatModel(MODEL, provider=provider), system_prompt=SYSTEM, tools=[read_file]).run_sync(TASK.prompt)


async def pydantic_ai_anthropic():
    from anthropic import AsyncAnthropic
    from pydantic_ai import Agent
    from pydantic_ai.models.anthropic import AnthropicModel
    from pydantic_ai.providers.anthropic import AnthropicProvider

    provider = AnthropicProvider(anthropic_client=attach(AsyncAnthropic(base_url=TASK.url, api_key="none")))
    await Agent(AnthropicModel(MODEL, provider=provider), system_prompt=SYSTEM, tools=[read_file]).run(TASK.prompt)


def smolagents():
    from smolagents import OpenAIModel, ToolCallingAgent, tool

    model = OpenAIModel(model_id=MODEL, api_base=V1, api_key="none")
    attach(model.client)
    ToolCallingAgent(tools=[tool(read_file)], model=model, max_steps=TASK.turns).run(TASK.prompt)


def after(message):
    """The assistant's message, and the results of its tool calls."""
    results = [{"role": "tool", "tool_call_id": call.id, "content": TASK.result()} for call in message.tool_calls or ()]
    return [message.model_dump(exclude_none=True), *results]


def of_runner(tool, function=read_file):
    """The arguments of Anthropic's tool runner."""
    messages = [{"role": "user", "content": TASK.prompt}]
    return {"model": MODEL, "max_tokens": 1000, "system": SYSTEM, "messages": messages, "tools": [tool(function)]}


def langchain_agent(model):
    from langchain.agents import create_agent
    from langchain_core.tools import tool

    return create_agent(model, tools=[tool(read_file)], system_prompt=SYSTEM)


LOOPS = {name: function for name, function in globals().items() if inspect.isfunction(function)}


async def run_async(loop, **gateway):
    async with session(TASK.agent, **gateway):
        await loop()


if __name__ == "__main__":
    chosen = LOOPS[sys.argv[1]]
    of_headers = {"gateway": V1, "api_key": "none"} if chosen is litellm_headers else {}
    if inspect.iscoroutinefunction(chosen):
        asyncio.run(run_async(chosen, **of_headers))
    else:
        with session(TASK.agent):
            chosen()
