"""SDKs and frameworks whose sessions `concur_proxy.client` names and ends."""

from dataclasses import replace

from tests.real_clients.clients import Client, sdk


def _helped(name: str, title: str, package: str, helps: str) -> Client:
    loop = name.replace("-", "_")
    client = sdk(f"helped-{name}", title, package, f"helped {loop}", by="headers", helps=f"`{helps}`")
    return replace(client, ends_session=True)


HELPED: tuple[Client, ...] = (
    _helped("openai", "OpenAI SDK", "openai", "attach(OpenAI(...))"),
    _helped("openai-async", "OpenAI SDK, async and streamed", "openai", "attach(AsyncOpenAI(...))"),
    _helped("anthropic", "Anthropic SDK, tool runner", "anthropic", "attach(Anthropic(...))"),
    _helped("anthropic-async", "Anthropic SDK, tool runner, async", "anthropic", "attach(AsyncAnthropic(...))"),
    _helped("litellm", "LiteLLM SDK", "litellm", "completion(..., client=attach(OpenAI(...)))"),
    _helped("litellm-headers", "LiteLLM SDK, async, headers only", "litellm", "extra_headers=headers()"),
    _helped("langchain", "LangChain agent, ChatOpenAI", "langchain langchain-openai", "attach(model.root_client)"),
    _helped(
        "langchain-async",
        "LangChain agent, ChatOpenAI, async",
        "langchain langchain-openai",
        "attach(model.root_async_client)",
    ),
    _helped(
        "langchain-anthropic",
        "LangChain agent, ChatAnthropic, async",
        "langchain langchain-anthropic",
        "attach(model._async_client)",
    ),
    _helped(
        "agents",
        "OpenAI Agents SDK, Responses, `run_sync`",
        "openai-agents",
        "set_default_openai_client(attach(AsyncOpenAI(...)))",
    ),
    _helped(
        "agents-async",
        "OpenAI Agents SDK, chat, async",
        "openai-agents",
        "OpenAIChatCompletionsModel(name, attach(AsyncOpenAI(...)))",
    ),
    _helped(
        "pydantic-ai",
        "PydanticAI, OpenAI, `run_sync`",
        "pydantic-ai-slim[openai,anthropic]",
        "OpenAIProvider(openai_client=attach(AsyncOpenAI(...)))",
    ),
    _helped(
        "pydantic-ai-anthropic",
        "PydanticAI, Anthropic, async",
        "pydantic-ai-slim[openai,anthropic]",
        "AnthropicProvider(anthropic_client=attach(AsyncAnthropic(...)))",
    ),
    _helped("smolagents", "smolagents, ToolCallingAgent", "smolagents[openai]", "attach(model.client)"),
)
"""Their loops are in `loops/helped.py`."""
