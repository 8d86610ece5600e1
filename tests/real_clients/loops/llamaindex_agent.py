"""LlamaIndex's function agent."""

import asyncio

from llama_index.core.agent.workflow import FunctionAgent
from llama_index.llms.openai_like import OpenAILike

from tests.real_clients.task import MODEL, SYSTEM, TASK


def read_file(path: str) -> str:
    """Read a file."""
    return TASK.result()


async def main() -> None:
    llm = OpenAILike(
        model=MODEL,
        api_base=f"{TASK.url}/v1",
        api_key="none",
        is_chat_model=True,
        is_function_calling_model=True,
    )
    await FunctionAgent(tools=[read_file], llm=llm, system_prompt=SYSTEM).run(TASK.prompt)


asyncio.run(main())
