"""OpenAI Agents SDK. Arguments: `chat` or `responses`, and `session` for a second run in the same session."""

import sys

from agents import (
    Agent,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    Runner,
    SQLiteSession,
    function_tool,
    set_tracing_disabled,
)
from openai import AsyncOpenAI

from tests.real_clients.task import MODEL, SYSTEM, TASK


@function_tool
def read_file(path: str) -> str:
    """Read a file."""
    return TASK.result()


set_tracing_disabled(True)
client = AsyncOpenAI(base_url=f"{TASK.url}/v1", api_key="none")
kind = OpenAIChatCompletionsModel if "chat" in sys.argv else OpenAIResponsesModel
agent = Agent(name="engineer", instructions=SYSTEM, tools=[read_file], model=kind(model=MODEL, openai_client=client))
session = SQLiteSession(TASK.agent) if "session" in sys.argv else None
Runner.run_sync(agent, TASK.prompt, max_turns=TASK.turns + 1, session=session)
if session is not None:
    Runner.run_sync(agent, "And now the next one.", max_turns=TASK.turns + 1, session=session)
