"""Command-line agents, each called once without a person. The argument names the command."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.real_clients.task import MODEL, TASK


def codex() -> list[str]:
    provider = f'{{name="gateway",base_url="{TASK.url}/v1",wire_api="responses"}}'
    options = [f'model="{MODEL}"', 'model_provider="gateway"', f"model_providers.gateway={provider}"]
    flags = [flag for option in options for flag in ("-c", option)]
    return ["codex", "exec", "--skip-git-repo-check", "--sandbox", "danger-full-access", *flags, TASK.prompt]


def claude() -> list[str]:
    os.environ.update(
        ANTHROPIC_BASE_URL=TASK.url, ANTHROPIC_API_KEY="none", CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC="1"
    )
    return ["claude", "-p", TASK.prompt, "--model", MODEL, "--tools", "Bash,Read", "--allowedTools", "Bash,Read"]


def opencode() -> list[str]:
    options = {"baseURL": f"{TASK.url}/v1", "apiKey": "none"}
    gateway = {
        "npm": "@ai-sdk/openai-compatible",
        "name": "gateway",
        "options": options,
        "models": {MODEL: {"name": MODEL}},
    }
    tools = dict.fromkeys(("write", "edit", "webfetch", "task", "patch", "skill", "question", "websearch"), False)
    settings = {"provider": {"gateway": gateway}, "model": f"gateway/{MODEL}", "tools": tools, "autoupdate": False}
    Path("opencode.json").write_text(json.dumps(settings))
    Path("models.json").write_text("{}")  # instead of a list from its maker's server
    os.environ.update(OPENCODE_MODELS_PATH=str(Path("models.json").resolve()), OPENCODE_DISABLE_MODELS_FETCH="1")
    return ["opencode", "run", TASK.prompt, "--model", f"gateway/{MODEL}"]


def qwen() -> list[str]:
    os.environ.update(OPENAI_BASE_URL=f"{TASK.url}/v1", OPENAI_API_KEY="none", OPENAI_MODEL=MODEL)
    # without the tool that starts a sub-agent: such a fork is a conversation of its own, with other tools
    tools = ["--core-tools", "read_file", "--core-tools", "list_directory", "--exclude-tools", "agent"]
    return ["qwen", "--auth-type", "openai", "--approval-mode", "yolo", *tools, "-p", TASK.prompt]


def cline() -> list[str]:
    sandbox = ["--data-dir", "data", "--provider", "openai-compatible"]  # then none of its processes stays behind
    about = ["--apikey", "none", "--modelid", MODEL, "--baseurl", f"{TASK.url}/v1"]
    subprocess.run(["cline", "auth", *sandbox, *about], check=True, stdin=subprocess.DEVNULL)
    return ["cline", *sandbox, "--model", MODEL, TASK.prompt]


COMMANDS = {command.__name__: command for command in (codex, claude, opencode, qwen, cline)}

if __name__ == "__main__":
    # the agent's name makes the results of its tools differ from those of other agents
    Path(f"{TASK.agent}.txt").write_text(TASK.agent)
    sys.exit(subprocess.run(COMMANDS[sys.argv[1]](), check=False, stdin=subprocess.DEVNULL).returncode)
