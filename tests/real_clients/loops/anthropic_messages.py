"""Anthropic SDK, messages: a loop of our own. With the argument `stream`, answers are streamed."""

import sys

from anthropic import Anthropic

from tests.real_clients.task import MODEL, OPENAI_TOOLS, SYSTEM, TASK

client = Anthropic(base_url=TASK.url, api_key="none")
functions = [tool["function"] for tool in OPENAI_TOOLS]
tools = [{"name": function["name"], "input_schema": function["parameters"]} for function in functions]
messages = [{"role": "user", "content": TASK.prompt}]
for _ in range(TASK.turns):
    asked = {"model": MODEL, "max_tokens": 1000, "system": SYSTEM, "messages": messages, "tools": tools}
    if "stream" in sys.argv:
        with client.messages.stream(**asked) as stream:
            answer = stream.get_final_message()
    else:
        answer = client.messages.create(**asked)
    messages.append({"role": "assistant", "content": answer.content})
    calls = [block for block in answer.content if block.type == "tool_use"]
    if calls:
        results = [{"type": "tool_result", "tool_use_id": call.id, "content": TASK.result()} for call in calls]
        messages.append({"role": "user", "content": results})
