"""PydanticAI. Arguments: `openai` or `anthropic`."""

import sys

from pydantic_ai import Agent

from tests.real_clients.task import MODEL, SYSTEM, TASK

if "anthropic" in sys.argv:
    from pydantic_ai.models.anthropic import AnthropicModel
    from pydantic_ai.providers.anthropic import AnthropicProvider

    model = AnthropicModel(MODEL, provider=AnthropicProvider(base_url=TASK.url, api_key="none"))
else:
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    model = OpenAIChatModel(MODEL, provider=OpenAIProvider(base_url=f"{TASK.url}/v1", api_key="none"))
agent = Agent(model, system_prompt=SYSTEM)


@agent.tool_plain
def read_file(path: str) -> str:
    """Read a file."""
    return TASK.result()


agent.run_sync(TASK.prompt)
