"""Recorded load: one line of JSON per request, without its content. Agents' plans can be made from it.

    {"session": "5d0c...", "turn": 0, "at": 12.503, "prompt_tokens": 1830, "completion_tokens": 122,
     "cached_tokens": 960, "held_s": 0.0, "duration_s": 3.21}

`session` is a hash that has no meaning outside its file. `turn` counts the session's answers. `at` is when the request
arrived, in seconds since the recording started. `cached_tokens` is null if the engine did not report it. `duration_s`
is from the request to the end of its answer; it includes `held_s`, the wait for admission.
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
    """The file is not a trace. The message is one line that says how to fix it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedRequest:
    """One line of a trace: one request."""

    session: str
    at: float
    prompt_tokens: int
    completion_tokens: int
    duration_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TracePopulation:
    """The agents of a trace. They are the same for every seed."""

    recorded: Sequence[AgentPlan]

    @property
    def agents(self) -> int:
        """Number of agents."""
        return len(self.recorded)

    def plans(self, random: Random, *, kind: int, numbers: Iterator[int], most_tokens: int) -> Arrivals:  # noqa: ARG002
        """The agents' plans in the order of their start."""
        return iter(self.recorded)


def scenario_of(path: Path, *, capacity_tokens: int | None = None) -> Scenario:
    """Read a trace as a scenario. Raises `TraceProblem` if the file is not a trace."""
    plans = plans_of(_read(path))
    if not plans:
        raise TraceProblem(f"{path}: no request has token counts: record with ask_usage = true, the default")
    shape = EngineShape() if capacity_tokens is None else EngineShape(capacity_tokens=capacity_tokens)
    largest = max(plan.context_tokens for plan in plans)
    if not shape.fits(largest):
        raise TraceProblem(f"{path}: a session of {largest} tokens exceeds the cache: give a larger --capacity-tokens")
    return Scenario(name=path.stem, summary=f"{path}", populations=[TracePopulation(recorded=plans)], shape=shape)


def plans_of(requests: Iterable[TracedRequest]) -> list[AgentPlan]:
    """Make one agent per session. Each turn adds what the history grew by. The time from the end of an answer to the
    next request is a tool call.
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
        raise TraceProblem(f"{path}: line {number} is not a traced request: {type(error).__name__} {error}") from None
