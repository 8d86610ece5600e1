"""mini-swe-agent with its LiteLLM model and a local shell."""

from minisweagent.agents.default import DefaultAgent
from minisweagent.environments.local import LocalEnvironment
from minisweagent.models.litellm_model import LitellmModel

from tests.real_clients.task import MODEL, SYSTEM, TASK

model = LitellmModel(
    model_name=f"openai/{MODEL}",
    model_kwargs={"api_base": f"{TASK.url}/v1", "api_key": "none"},
    cost_tracking="ignore_errors",
)
agent = DefaultAgent(
    model,
    LocalEnvironment(),
    system_template=SYSTEM,
    instance_template="{{task}}",
    step_limit=TASK.turns,
)
agent.run(TASK.prompt)
