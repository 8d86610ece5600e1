"""Admission control within a program of your own, around any call of an engine, without HTTP in between.

async with Gate(engine="http://127.0.0.1:8000") as gate:
    async with gate.turn("rollout-17", prompt_tokens=1200) as turn:
        answer = await generate(...)
        turn.answered(prompt_tokens=1210, completion_tokens=300, cached_tokens=900)
    gate.end("rollout-17")
"""

from concur_proxy.aio.gate import Gate
from concur_proxy.aio.readings import Reading
from concur_proxy.aio.turn import NotAdmitted, Turn

__all__ = ["Gate", "NotAdmitted", "Reading", "Turn"]
