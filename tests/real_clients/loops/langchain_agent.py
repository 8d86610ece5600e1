"""LangChain's agent. Arguments: `openai` or `anthropic`, and `stream`."""

import sys

from langchain.agents import create_agent
from langchain_core.tools import tool

from tests.real_clients.task import MODEL, SYSTEM, TASK


@tool
def read_file(path: str) -> str:
    """Read a file."""
    return TASK.result()


if "anthropic" in sys.argv:
    from langchain_anthropic import ChatAnthropic

    model = ChatAnthropic(model=MODEL, base_url=TASK.url, api_key="none", max_tokens=1000)
else:
    from langchain_openai import ChatOpenAI

    model = ChatOpenAI(model=MODEL, base_url=f"{TASK.url}/v1", api_key="none", streaming="stream" in sys.argv)
agent = create_agent(model, tools=[read_file], system_prompt=SYSTEM)
agent.invoke({"messages": [{"role": "user", "content": TASK.prompt}]})
