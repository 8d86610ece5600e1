"""Makes `data/claude-code-traces.jsonl`: recorded sessions, reduced to what recognition depends on. Run:

    python -m tests.recognition.reduce TRACES.jsonl.gz > tests/recognition/data/claude-code-traces.jsonl

Each line is one session: `head`, the tokens of tools and system prompt; `requests`, the main agent's; and `agents`, its
sub-agents with their start in seconds. A request is `[time, prompt tokens, answer tokens, kept, runs]`: its prompt is
the first `kept` blocks of the request before it, and then the blocks of `runs`, pairs of first id and number of ids.
"""

import gzip
import json
import sys
from itertools import takewhile
from pathlib import Path
from typing import Any


def runs_of(ids: list[int]) -> list[int]:
    """Ids as pairs of the first id and the number of ids that follow each other."""
    runs: list[int] = []
    for each in ids:
        if runs and runs[-2] + runs[-1] == each:
            runs[-1] += 1
        else:
            runs += [each, 1]
    return runs


def reduced(requests: list[dict[str, Any]]) -> list[list[Any]]:
    """The requests of one agent."""
    before: list[int] = []
    rows = []
    for request in requests:
        ids = request["hash_ids"]
        kept = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(before, ids, strict=False)))
        rows.append([round(request["t"], 1), request["in"], request["out"], kept, runs_of(ids[kept:])])
        before = ids
    return rows


def main(traces: Path) -> None:
    """Print the sessions."""
    for line in gzip.decompress(traces.read_bytes()).decode().splitlines():
        trace = json.loads(line)
        parts = {kind: [each for each in trace["requests"] if (each["type"] == "subagent") == kind] for kind in (0, 1)}
        agents = [
            [each["t"], each["tool_tokens"] + each["system_tokens"], reduced(each["requests"])] for each in parts[1]
        ]
        head = trace["tool_tokens"] + trace["system_tokens"]
        row = {"id": trace["id"], "head": head, "requests": reduced(parts[0]), "agents": agents}
        sys.stdout.write(json.dumps(row, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
