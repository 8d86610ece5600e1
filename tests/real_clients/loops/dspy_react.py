"""DSPy's ReAct module, whose steps are texts, each a request with the whole trajectory."""

import dspy

from tests.real_clients.task import MODEL, TASK


def read_file(path: str) -> str:
    """Read a file."""
    return TASK.result()


dspy.configure(lm=dspy.LM(f"openai/{MODEL}", api_base=f"{TASK.url}/v1", api_key="none", cache=False))
dspy.ReAct("question -> answer", tools=[read_file], max_iters=TASK.turns)(question=TASK.prompt)
