"""OpenAI SDK, Responses: a loop of our own. With `previous`, each request refers to the response before."""

import sys

from openai import OpenAI

from tests.real_clients.task import MODEL, OPENAI_TOOLS, SYSTEM, TASK

client = OpenAI(base_url=f"{TASK.url}/v1", api_key="none")
tools = [{"type": "function", **tool["function"]} for tool in OPENAI_TOOLS]
items = [{"role": "user", "content": TASK.prompt}]
previous = None
for _ in range(TASK.turns):
    asked = {"model": MODEL, "instructions": SYSTEM, "input": items, "tools": tools}
    if previous:
        asked["previous_response_id"] = previous
    answer = client.responses.create(**asked)
    calls = [item for item in answer.output if item.type == "function_call"]
    results = [{"type": "function_call_output", "call_id": call.call_id, "output": TASK.result()} for call in calls]
    if "previous" in sys.argv:
        previous, items = answer.id, results
    else:
        items = [*items, *[item.model_dump(exclude_none=True) for item in answer.output], *results]
