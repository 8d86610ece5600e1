"""What the demo's agents say and how long their tools run. A seed decides everything, so every run is the same."""

import enum
from dataclasses import dataclass, replace
from random import Random

BYTES_PER_TOKEN = 4
"""Exact for the emulated engine's tokenizer; a rough average for English text on a real one."""

_WORDS = (  # noqa: SIM905 - a list of words reads better as a sentence
    "read file test fails line patch run again search index value return call error trace build merge branch review "
    "module class method loop query table cache token"
).split()


class Kind(enum.Enum):
    """What an agent tells the gateway about itself."""

    NAMED = "with a session name"
    UNNAMED = "without a session name"
    FAMILY = "with sub-agents"
    TEAM = "with a long system prompt in common"


EVERY_KIND = (Kind.NAMED, Kind.UNNAMED, Kind.FAMILY, Kind.TEAM, Kind.NAMED, Kind.UNNAMED, Kind.NAMED, Kind.TEAM)
"""The kinds of the demo's agents, again and again in this order."""


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
    kinds: tuple[Kind, ...] = (Kind.NAMED,)
    """Agent number n is of kind n, and after the last kind of the first one again."""
    team_tokens: int = 800
    """System prompt that the agents of kind `TEAM` share, instead of that of all others."""
    children: int = 2
    """Sub-agents that an agent of kind `FAMILY` starts after its first answer."""
    child_turns: int = 3

    def kind_of(self, number: int) -> Kind:
        """The kind of agent `number`, from 0."""
        return self.kinds[number % len(self.kinds)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptTurn:
    """One step of an agent."""

    text: str
    """What the user or the tool says before the answer."""
    answer_tokens: int
    tool_s: float
    """How long the tool runs after the answer."""
    children: tuple["Script", ...] = ()
    """Sub-agents that the answer starts. The tool runs when all of them have ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """An agent's whole run."""

    name: str
    system: str
    turns: tuple[ScriptTurn, ...]
    has_name: bool = True
    """Whether its requests name its session."""
    parent: str = ""
    """For a sub-agent: the name of the agent that starts it."""

    @property
    def all_turns(self) -> int:
        """Its turns and those of its sub-agents."""
        return len(self.turns) + sum(child.all_turns for turn in self.turns for child in turn.children)


def write_scripts(workload: Workload) -> list[Script]:
    """The scripts of all agents."""
    random = Random(workload.seed)  # noqa: S311 - a reproducible workload, not a secret
    system = _text(random, workload.shared_tokens)
    team_system = _text(Random(-workload.seed - 1), workload.team_tokens)  # noqa: S311 - as above
    scripts = []
    for number in range(workload.agents):
        kind = workload.kind_of(number)
        script = _script(
            random,
            workload,
            f"agent-{number}",
            system=team_system if kind is Kind.TEAM else system,
            turns=workload.turns,
        )
        if kind is Kind.UNNAMED:
            script = replace(script, has_name=False)
        elif kind is Kind.FAMILY:
            script = _with_children(random, workload, script)
        scripts.append(script)
    return scripts


def _script(random: Random, workload: Workload, name: str, *, system: str, turns: int) -> Script:
    said = []
    for turn in range(turns):
        size = workload.first_tokens if turn == 0 else workload.growth_tokens
        said.append(
            ScriptTurn(
                text=_text(random, int(size * random.uniform(0.7, 1.3))),
                answer_tokens=max(1, int(workload.answer_tokens * random.uniform(0.6, 1.4))),
                tool_s=random.uniform(*workload.tool_s) if turn < turns - 1 else 0.0,
            )
        )
    return Script(name=name, system=system, turns=tuple(said))


def _with_children(random: Random, workload: Workload, script: Script) -> Script:
    children = tuple(
        replace(
            _script(random, workload, f"{script.name}-sub-{number}", system=script.system, turns=workload.child_turns),
            parent=script.name,
        )
        for number in range(workload.children)
    )
    first, *others = script.turns
    return replace(script, turns=(replace(first, children=children), *others))


def _text(random: Random, tokens: int) -> str:
    size = tokens * BYTES_PER_TOKEN
    words: list[str] = []
    length = 0
    while length < size:
        word = random.choice(_WORDS)
        words.append(word)
        length += len(word) + 1
    return " ".join(words)[:size]
