"""LiteLLM SDK: a loop of our own."""

import litellm

from tests.real_clients.task import MODEL, OPENAI_TOOLS, SYSTEM, TASK

messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": TASK.prompt}]
for _ in range(TASK.turns):
    answer = litellm.completion(
        model=f"openai/{MODEL}", api_base=f"{TASK.url}/v1", api_key="none", messages=messages, tools=OPENAI_TOOLS
    )
    message = answer.choices[0].message
    messages.append(message)
    calls = message.tool_calls or ()
    messages += [{"role": "tool", "tool_call_id": call.id, "content": TASK.result()} for call in calls]
