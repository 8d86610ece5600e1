"""OpenAI SDK, chat completions: a loop of our own. With the argument `stream`, answers are streamed; with `named`, a
header names the session.
"""

import sys

from openai import OpenAI

from tests.real_clients.task import MODEL, OPENAI_TOOLS, SYSTEM, TASK

names = {"x-session-id": TASK.agent} if "named" in sys.argv else {}
client = OpenAI(base_url=f"{TASK.url}/v1", api_key="none", default_headers=names)
messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": TASK.prompt}]
for _ in range(TASK.turns):
    if "stream" in sys.argv:
        with client.chat.completions.stream(model=MODEL, messages=messages, tools=OPENAI_TOOLS) as stream:
            message = stream.get_final_completion().choices[0].message
    else:
        answer = client.chat.completions.create(model=MODEL, messages=messages, tools=OPENAI_TOOLS)
        message = answer.choices[0].message
    messages.append(message.model_dump(exclude_none=True))
    calls = message.tool_calls or ()
    messages += [{"role": "tool", "tool_call_id": call.id, "content": TASK.result()} for call in calls]
