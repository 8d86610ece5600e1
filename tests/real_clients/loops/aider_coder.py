"""aider, called from Python: several questions in one chat, with a file."""

from pathlib import Path

from aider.coders import Coder
from aider.io import InputOutput
from aider.models import Model

from tests.real_clients.task import MODEL, TASK

Path("notes.txt").write_text(TASK.result())
model = Model(f"openai/{MODEL}")
model.extra_params = {"api_base": f"{TASK.url}/v1", "api_key": "none"}
coder = Coder.create(
    main_model=model, fnames=["notes.txt"], io=InputOutput(yes=True), use_git=False, suggest_shell_commands=False
)
coder.run(TASK.prompt)
for _ in range(TASK.turns - 1):
    coder.run(TASK.result())
