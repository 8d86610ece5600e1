"""Google's ADK with its LiteLLM model."""

import asyncio

from google.adk.agents import LlmAgent
from google.adk.models.lite_llm import LiteLlm
from google.adk.runners import InMemoryRunner
from google.genai import types

from tests.real_clients.task import MODEL, SYSTEM, TASK


def read_file(path: str) -> str:
    """Read a file."""
    return TASK.result()


async def main() -> None:
    model = LiteLlm(model=f"openai/{MODEL}", api_base=f"{TASK.url}/v1", api_key="none")
    agent = LlmAgent(name="engineer", model=model, instruction=SYSTEM, tools=[read_file])
    runner = InMemoryRunner(agent=agent, app_name="app")
    session = await runner.session_service.create_session(app_name="app", user_id="user")
    message = types.Content(role="user", parts=[types.Part(text=TASK.prompt)])
    async for _ in runner.run_async(user_id="user", session_id=session.id, new_message=message):
        pass


asyncio.run(main())
