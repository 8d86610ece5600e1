"""CrewAI: one agent with one task."""

from crewai import LLM, Agent, Crew, Task
from crewai.tools import tool

from tests.real_clients.task import MODEL, SYSTEM, TASK


@tool("read_file")
def read_file(path: str) -> str:
    """Read a file."""
    return TASK.result()


llm = LLM(model=f"openai/{MODEL}", base_url=f"{TASK.url}/v1", api_key="none")
agent = Agent(
    role="engineer", goal="to fix the test", backstory=SYSTEM, tools=[read_file], llm=llm, max_iter=TASK.turns
)
task = Task(description=TASK.prompt, expected_output="a sentence", agent=agent)
Crew(agents=[agent], tasks=[task]).kickoff()
