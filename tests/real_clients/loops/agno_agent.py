"""Agno."""

from agno.agent import Agent
from agno.models.openai.like import OpenAILike

from tests.real_clients.task import MODEL, SYSTEM, TASK


def read_file(path: str) -> str:
    """Read a file."""
    return TASK.result()


model = OpenAILike(id=MODEL, base_url=f"{TASK.url}/v1", api_key="none")
Agent(model=model, tools=[read_file], instructions=SYSTEM, telemetry=False).run(TASK.prompt)
