"""Anthropic SDK, the tool runner of the beta API. It uses a thread, unless the argument is `whole`."""

import sys

from anthropic import Anthropic, beta_tool

from tests.real_clients.task import MODEL, SYSTEM, TASK


@beta_tool
def read_file(path: str) -> str:
    """Read a file.

    Args:
        path: the file
    """
    return TASK.result()


client = Anthropic(base_url=TASK.url, api_key="none")
runner = client.beta.messages.tool_runner(
    model=MODEL,
    max_tokens=1000,
    system=SYSTEM,
    messages=[{"role": "user", "content": TASK.prompt}],
    tools=[read_file],
    **({"thread": False} if "whole" in sys.argv else {}),
)
runner.until_done()
