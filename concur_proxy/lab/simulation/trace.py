"""Recorded load: one line of JSON a request, without its content, and agents' plans made of it.

    {"session": "5d0c...", "turn": 0, "at": 12.503, "prompt_tokens": 1830, "completion_tokens": 122,
     "cached_tokens": 960, "held_s": 0.0, "duration_s": 3.21}

`session` is a hash that means nothing outside its file; `turn` counts a session's answers; `at` is when the request
came, in seconds since the recording began; `cached_tokens` is null where the engine did not tell; `duration_s` is from
the request to its answer's end, `held_s` of it in the gateway's line.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from concur_proxy.lab.engine.engine import EngineShape
from concur_proxy.lab.simulation.plan import AgentPlan, Arrivals, Turn
from concur_proxy.lab.simulation.scenario import Scenario


class TraceProblem(Exception):  # noqa: N818 - what is wrong with the file
    """A file that is no trace; the message is one line with the mend."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedRequest:
    """One line."""

    session: str
    at: float
    prompt_tokens: int
    completion_tokens: int
    duration_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TracePopulation:
    """The agents of a trace; the same for every seed."""

    recorded: Sequence[AgentPlan]

    @property
    def agents(self) -> int:
        """How many."""
        return len(self.recorded)

    def plans(self, random: Random, *, kind: int, numbers: Iterator[int], most_tokens: int) -> Arrivals:  # noqa: ARG002
        """In the order of their start."""
        return iter(self.recorded)


def scenario_of(path: Path, *, capacity_tokens: int | None = None) -> Scenario:
    """The trace as a scenario; `TraceProblem` for a file that is none."""
    plans = plans_of(_read(path))
    if not plans:
        raise TraceProblem(f"{path}: it has no request whose tokens were counted: record with usage reporting on")
    shape = EngineShape() if capacity_tokens is None else EngineShape(capacity_tokens=capacity_tokens)
    largest = max(plan.context_tokens for plan in plans)
    if not shape.fits(largest):
        raise TraceProblem(f"{path}: a session of {largest} tokens exceeds the cache: give a larger --capacity-tokens")
    return Scenario(name=path.stem, summary=f"{path}", populations=[TracePopulation(recorded=plans)], shape=shape)


def plans_of(requests: Iterable[TracedRequest]) -> list[AgentPlan]:
    """An agent for each session. What its history grew by is what each turn adds; what lies between an answer's end and
    the next request is its tool call.
    """
    sessions: dict[str, list[TracedRequest]] = {}
    for request in requests:
        sessions.setdefault(request.session, []).append(request)
    plans = []
    for number, (name, answers) in enumerate(sessions.items()):
        answers.sort(key=lambda request: request.at)
        plans.append(
            AgentPlan(name=f"{number}-{name}", number=number, start_s=answers[0].at, turns=tuple(_turns(answers)))
        )
    return sorted(plans, key=lambda plan: plan.start_s)


def _turns(answers: Sequence[TracedRequest]) -> Iterable[Turn]:
    context = 0
    for number, answer in enumerate(answers):
        following = answers[number + 1] if number + 1 < len(answers) else None
        gap_s = 0.0 if following is None else max(0.0, following.at - answer.at - answer.duration_s)
        new = max(1, answer.prompt_tokens - context)
        output = max(1, answer.completion_tokens)
        yield Turn(new_tokens=new, answer_tokens=output, gap_s=gap_s)
        context += new + output


def _read(path: Path) -> list[TracedRequest]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise TraceProblem(f"{path}: cannot be read: {error}") from None
    return [_line(path, number, line) for number, line in enumerate(lines, start=1) if line.strip()]


def _line(path: Path, number: int, line: str) -> TracedRequest:
    try:
        value = json.loads(line)
        return TracedRequest(
            session=str(value["session"]),
            at=float(value["at"]),
            prompt_tokens=int(value["prompt_tokens"]),
            completion_tokens=int(value["completion_tokens"]),
            duration_s=float(value["duration_s"]),
        )
    except (ValueError, TypeError, KeyError) as error:
        raise TraceProblem(f"{path}: line {number} is no request of a trace: {type(error).__name__} {error}") from None
