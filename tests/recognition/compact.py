"""Makes `clients.json`: what captures of real clients say about sessions, without any text of a prompt.

A capture is a file with one JSON object for each request: `path`, `headers` (pairs) and `body`. Run:

    python -m tests.recognition.compact FOLDER > tests/recognition/clients.json
"""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

DROPPED = ("x-codex-turn-metadata", "x-codex-beta-features", "anthropic-", "x-stainless-", "user-agent", "x-app")
KEPT = ("metadata", "thread", "prompt_cache_key", "previous_response_id", "user", "session_id")
PROMPT = ("tools", "system", "instructions", "messages", "input")


def compact(request: dict[str, Any]) -> dict[str, Any]:
    """The names and ids in one captured request, and sizes and digests of its prompt."""
    headers = {name.lower(): value for name, value in request["headers"] if not name.lower().startswith(DROPPED)}
    body = {name: request["body"][name] for name in KEPT if name in request["body"]}
    prompt = {name: parts(request["body"][name]) for name in PROMPT if request["body"].get(name) is not None}
    return {"path": request["path"].partition("?")[0], "headers": headers, "body": body, "prompt": prompt}


def parts(field: object) -> str | list[list[Any]]:
    """A part of a prompt: a digest, or a list of messages as role, size in bytes and digest."""
    if isinstance(field, list) and isinstance(field[0], dict):
        return [[item["role"], item["bytes"], item["h"]] for item in field]
    text = json.dumps(field, sort_keys=True).encode()
    return hashlib.blake2b(text, digest_size=4).hexdigest()


def main(folder: Path) -> None:
    """Print the captures of a folder, by name of the file; equal requests in a row as one with their number."""
    captures: dict[str, list[dict[str, Any]]] = {}
    for file in sorted(folder.glob("*.jsonl")):
        runs = captures[file.stem] = []
        for line in file.read_text().splitlines():
            request = compact(json.loads(line))
            if runs and {**runs[-1], "times": 1} == {**request, "times": 1}:
                runs[-1]["times"] += 1
            else:
                runs.append({**request, "times": 1})
    rows = [
        f"  {json.dumps(name)}: [\n" + ",\n".join(f"    {json.dumps(run)}" for run in runs) + "\n  ]"
        for name, runs in captures.items()
    ]
    sys.stdout.write("{\n" + ",\n".join(rows) + "\n}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
