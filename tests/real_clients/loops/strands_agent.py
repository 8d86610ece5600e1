"""Strands Agents."""

from strands import Agent, tool
from strands.models.openai import OpenAIModel

from tests.real_clients.task import MODEL, SYSTEM, TASK


@tool
def read_file(path: str) -> str:
    """Read a file.

    Args:
        path: the file
    """
    return TASK.result()


model = OpenAIModel(client_args={"base_url": f"{TASK.url}/v1", "api_key": "none"}, model_id=MODEL)
Agent(model=model, tools=[read_file], system_prompt=SYSTEM)(TASK.prompt)
