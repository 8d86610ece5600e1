"""aider, called from Python: several questions in one chat, with a file. With the argument `named`, a file with the
model's settings names the session.
"""

import json
import os
import sys
from pathlib import Path

from aider.coders import Coder
from aider.io import InputOutput
from aider.models import Model, register_models

from tests.real_clients.task import MODEL, TASK

os.environ.update(OPENAI_API_BASE=f"{TASK.url}/v1", OPENAI_API_KEY="none")
if "named" in sys.argv:
    settings = [{"name": f"openai/{MODEL}", "extra_params": {"extra_headers": {"x-session-id": TASK.agent}}}]
    Path("settings.yml").write_text(json.dumps(settings))
    register_models(["settings.yml"])
Path("notes.txt").write_text(TASK.result())
model = Model(f"openai/{MODEL}")
coder = Coder.create(
    main_model=model, fnames=["notes.txt"], io=InputOutput(yes=True), use_git=False, suggest_shell_commands=False
)
coder.run(TASK.prompt)
for _ in range(TASK.turns - 1):
    coder.run(TASK.result())
