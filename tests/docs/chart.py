"""Draws the README's chart from the file of results of the fleet on real vLLM: `python -m tests.docs.chart`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

MEASURED = Path(__file__).resolve().parents[2] / "deploy" / "docs" / "measured"
RESULTS = MEASURED / "fleet-on-vllm.md"
CHART = MEASURED / "fleet-on-vllm.svg"

ARMS: Mapping[str, str] = {
    "no control": "no control",
    "4 requests, any agent": "at most 4 requests at once",
    "8 agents": "at most 8 agents at once",
    "4 agents": "at most 4 agents (best cap, found by trial)",
    "tokens, our default": "concur-proxy, default settings",
}
"""Rows of the table that are drawn, with their names for people."""
OURS = "tokens, our default"

TITLE = "16 agents on one vLLM: seconds until all have finished"
NOTE = "In brackets: share of the prompt tokens that the engine found in its cache"
WIDTH, LEFT, RIGHT, TOP, BAR, GAP = 800, 330, 120, 56, 24, 14
STYLE = """\
text { font: 14px system-ui, sans-serif; fill: #24292f } .title { font-weight: 600; font-size: 15px }
.note { fill: #57606a; font-size: 12px } .bar { fill: #afb8c1 } .ours { fill: #1a7f37 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .note { fill: #9198a1 } .bar { fill: #59636e } .ours { fill: #3fb950 }
}"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One row of the table."""

    name: str
    total_s: float
    hits: float
    """Part of the prompt tokens that was found in the cache, 0 to 1."""


def read_arms(text: str) -> list[Arm]:
    """Reads the rows that are drawn from a file of results, in the order of `ARMS`."""
    lines = [line.strip("|\n ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    head = next(line for line in lines if line[0] == "arm")
    rows = {line[0]: dict(zip(head, line, strict=True)) for line in lines[lines.index(head) + 2 :]}
    total = next(name for name in head if name.endswith(", s"))
    return [Arm(name=name, total_s=float(rows[name][total]), hits=float(rows[name]["prefix hits"])) for name in ARMS]


def read_facts(text: str) -> dict[str, str]:
    """Reads how the results were measured: command, commit, date and machine."""
    lines = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    return {line[0]: line[1] for line in lines if line[0] in {"Command", "Commit", "Date", "Machine"}}


def draw(arms: Sequence[Arm], facts: Mapping[str, str]) -> str:
    """The chart as SVG: one bar for each arm, as long as the fleet took."""
    longest = max(arm.total_s for arm in arms)
    height = TOP + len(arms) * (BAR + GAP) + 12
    size = f'width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{TITLE}">',
        f"<!-- Drawn by `python -m tests.docs.chart` from {RESULTS.name}: {escape(_source(facts))} -->",
        f"<style>{STYLE}</style>",
        f'<text class="title" x="0" y="18">{TITLE}</text>',
        f'<text class="note" x="0" y="38">{NOTE}</text>',
    ]
    for number, arm in enumerate(arms):
        y = TOP + number * (BAR + GAP)
        width = (WIDTH - LEFT - RIGHT) * arm.total_s / longest
        kind = "ours" if arm.name == OURS else "bar"
        parts += [
            f'<text x="{LEFT - 10}" y="{y + 17}" text-anchor="end">{escape(ARMS[arm.name])}</text>',
            f'<rect class="{kind}" x="{LEFT}" y="{y}" width="{width:.1f}" height="{BAR}" rx="3"/>',
            f'<text x="{LEFT + width + 8:.1f}" y="{y + 17}">{arm.total_s:.0f} s ({arm.hits:.0%})</text>',
        ]
    return "\n".join([*parts, "</svg>", ""])


def _source(facts: Mapping[str, str]) -> str:
    return ", ".join(f"{name.lower()} {value.strip('`')}" for name, value in facts.items()).replace("--", "- -")


def chart() -> str:
    """The chart of the results that are in the repository."""
    text = RESULTS.read_text(encoding="utf-8")
    return draw(read_arms(text), read_facts(text))


if __name__ == "__main__":
    CHART.write_text(chart(), encoding="utf-8")
    print(f"written to {CHART}")
