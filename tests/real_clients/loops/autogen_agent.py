"""AutoGen's AgentChat."""

import asyncio

from autogen_agentchat.agents import AssistantAgent
from autogen_ext.models.openai import OpenAIChatCompletionClient

from tests.real_clients.task import MODEL, SYSTEM, TASK


async def read_file(path: str) -> str:
    """Read a file."""
    return TASK.result()


async def main() -> None:
    about = {
        "vision": False,
        "function_calling": True,
        "json_output": False,
        "family": "unknown",
        "structured_output": False,
    }
    model = OpenAIChatCompletionClient(model=MODEL, base_url=f"{TASK.url}/v1", api_key="none", model_info=about)
    agent = AssistantAgent(
        "engineer",
        model_client=model,
        tools=[read_file],
        system_message=SYSTEM,
        max_tool_iterations=TASK.turns,
    )
    await agent.run(task=TASK.prompt)


asyncio.run(main())
