"""What the demo's agents say and how long their tools run. A seed decides everything, so every run is the same."""

from dataclasses import dataclass
from random import Random

BYTES_PER_TOKEN = 4
"""Exact for the emulated engine's tokenizer; a rough average for English text on a real one."""

_WORDS = (  # noqa: SIM905 - a list of words reads better as a sentence
    "read file test fails line patch run again search index value return call error trace build merge branch review "
    "module class method loop query table cache token"
).split()


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """A fleet whose agents all start at once. Sizes are in tokens, times in seconds of the engine's clock."""

    agents: int = 64
    turns: int = 10
    shared_tokens: int = 128
    """System prompt that all agents share."""
    first_tokens: int = 800
    """An agent's task."""
    growth_tokens: int = 300
    """A tool's result, added in each later turn."""
    answer_tokens: int = 40
    tool_s: tuple[float, float] = (0.5, 8.0)
    """Shortest and longest tool call."""
    seed: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptTurn:
    """One step of an agent."""

    text: str
    """What the user or the tool says before the answer."""
    answer_tokens: int
    tool_s: float
    """How long the tool runs after the answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """An agent's whole run."""

    name: str
    system: str
    turns: tuple[ScriptTurn, ...]


def write_scripts(workload: Workload) -> list[Script]:
    """The scripts of all agents."""
    random = Random(workload.seed)  # noqa: S311 - a reproducible workload, not a secret
    system = _text(random, workload.shared_tokens)
    return [_script(random, workload, system, number) for number in range(workload.agents)]


def _script(random: Random, workload: Workload, system: str, number: int) -> Script:
    turns = []
    for turn in range(workload.turns):
        size = workload.first_tokens if turn == 0 else workload.growth_tokens
        turns.append(
            ScriptTurn(
                text=_text(random, int(size * random.uniform(0.7, 1.3))),
                answer_tokens=max(1, int(workload.answer_tokens * random.uniform(0.6, 1.4))),
                tool_s=random.uniform(*workload.tool_s) if turn < workload.turns - 1 else 0.0,
            )
        )
    return Script(name=f"agent-{number}", system=system, turns=tuple(turns))


def _text(random: Random, tokens: int) -> str:
    size = tokens * BYTES_PER_TOKEN
    words: list[str] = []
    length = 0
    while length < size:
        word = random.choice(_WORDS)
        words.append(word)
        length += len(word) + 1
    return " ".join(words)[:size]
