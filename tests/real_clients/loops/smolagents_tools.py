"""smolagents: the agent that calls tools."""

from smolagents import OpenAIModel, ToolCallingAgent, tool

from tests.real_clients.task import MODEL, TASK


@tool
def read_file(path: str) -> str:
    """Read a file.

    Args:
        path: the file
    """
    return TASK.result()


model = OpenAIModel(model_id=MODEL, api_base=f"{TASK.url}/v1", api_key="none")
ToolCallingAgent(tools=[read_file], model=model, max_steps=TASK.turns).run(TASK.prompt)
