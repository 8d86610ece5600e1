"""What counts as lost when histories change: only context that the engine has evicted too early."""

import json
from collections.abc import Callable, Iterator

import pytest

from tests.admission.bodies import BYTES_PER_TOKEN, CountingFleet, text

Message = dict[str, object]
Step = Callable[[list[Message], int], list[Message]]
"""What an agent does with its history before its next turn."""

BLOCK_TOKENS = 16
AGENTS, TURNS = 4, 12


class PrefixCache:
    """An engine's cache that never evicts, unless it is emptied."""

    def __init__(self) -> None:
        self.known: set[tuple[str, ...]] = set()

    def keep(self, pieces: list[str]) -> None:
        self.known.update(tuple(pieces[:end]) for end in range(1, len(pieces) + 1))

    def find(self, pieces: list[str]) -> list[str]:
        found = 0
        while tuple(pieces[: found + 1]) in self.known and found < len(pieces):
            found += 1
        return pieces[:found]


def _tokens(pieces: list[str]) -> int:
    return sum(len(piece) // BYTES_PER_TOKEN + 4 for piece in pieces)


def _tool_result(seed: object) -> Message:
    return {"role": "tool", "content": text(500, seed)}


def _history(agent: int, turns: int, change: Step) -> Iterator[tuple[list[Message], Message]]:
    """An agent's prompts, with its answers as they stand in the next prompt."""
    history: list[Message] = [
        {"role": "system", "content": text(2_000, "system")},
        {"role": "user", "content": text(100, agent)},
    ]
    for turn in range(turns):
        history = change(history, turn)
        answer: Message = {"role": "assistant", "content": text(250, ("answer", agent, turn))}
        yield history, answer
        history = [*history, answer, _tool_result((agent, turn))]


def _same(history: list[Message], _: int) -> list[Message]:
    return history


def _compacted(history: list[Message], turn: int) -> list[Message]:
    if turn % 5 != 4:
        return history
    return [history[0], {"role": "user", "content": f"summary {text(400, (str(history[1]), turn))}"}]


def _cleared(history: list[Message], _: int) -> list[Message]:
    old = history[:-4]
    cleared: list[Message] = [{**one, "content": "[cleared]"} if one["role"] == "tool" else one for one in old]
    return [*cleared, *history[-4:]]


def _truncated(history: list[Message], _: int) -> list[Message]:
    return history if len(history) < 12 else [history[0], *history[-9:]]


def _another_system_prompt(history: list[Message], turn: int) -> list[Message]:
    return history if turn % 4 else [{"role": "system", "content": text(2_000, turn)}, *history[1:]]


def _without_answers(history: list[Message], _: int) -> list[Message]:
    return [one for one in history if one["role"] != "assistant"]


def _edited_answers(history: list[Message], _: int) -> list[Message]:
    return [{**one, "content": f"({one['content']})"} if one["role"] == "assistant" else one for one in history]


CHANGES: dict[str, Step] = {
    "nothing": _same,
    "compacted": _compacted,
    "tool results cleared": _cleared,
    "truncated": _truncated,
    "another system prompt": _another_system_prompt,
    "answers left out": _without_answers,
    "answers edited": _edited_answers,
}


def _run(change: Step, *, reasoning: int = 0, tells: bool = True, evict_every: int = 0) -> tuple[CountingFleet, int]:
    """The fleet after all turns, and the cache hits that the engine has counted."""
    fleet, cache, hits = CountingFleet(), PrefixCache(), 0
    agents = {f"agent-{number}": _history(number, TURNS, change) for number in range(AGENTS)}
    for turn in range(TURNS):
        if evict_every and turn % evict_every == evict_every - 1:
            cache.known.clear()
        for key, turns in agents.items():
            messages, answer = next(turns)
            pieces = [json.dumps(message) for message in messages]
            cached = _tokens(cache.find(pieces)) // BLOCK_TOKENS * BLOCK_TOKENS
            hits += cached
            thought = [text(reasoning, (key, turn))] if reasoning else []
            written = [*thought, json.dumps(answer)]
            fleet.turn(
                {"messages": messages},
                key=key,
                prompt=_tokens(pieces),
                completion=_tokens(written),
                cached=cached if tells else None,
            )
            cache.keep([*pieces, *written])
    return fleet, hits


@pytest.mark.parametrize("reasoning", [0, 50, 150, 400, 4_000])
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_nothing_is_lost_if_the_engine_has_evicted_nothing(change: Step, reasoning: int) -> None:
    fleet, _ = _run(change, reasoning=reasoning)
    accounts = fleet.gate.accounts
    assert accounts.told_tokens > 0
    assert accounts.lost_tokens <= 0.005 * accounts.told_tokens
    assert accounts.cache_use.recomputed_tokens <= 0.005 * accounts.cache_use.returning_tokens


@pytest.mark.parametrize("reasoning", [0, 50, 150, 400, 4_000])
@pytest.mark.parametrize("change", [change for change in CHANGES.values() if change is not _without_answers])
def test_the_engines_own_hits_keep_the_promises_too(change: Step, reasoning: int) -> None:
    """Where answers do not report their cached tokens, the law compares promises with the engine's hits."""
    fleet, hits = _run(change, reasoning=reasoning, tells=False)
    assert fleet.gate.accounts.promised_tokens <= 1.03 * hits


@pytest.mark.parametrize("reasoning", [0, 400])
def test_what_the_engine_has_evicted_is_lost(reasoning: int) -> None:
    accounts = _run(_same, reasoning=reasoning, evict_every=4)[0].gate.accounts
    assert 0.2 < accounts.lost_tokens / accounts.told_tokens < 0.4
    assert 0.2 < accounts.cache_use.recomputed_tokens / accounts.cache_use.returning_tokens < 0.4


@pytest.mark.parametrize("path", ["title", "summary"])
def test_a_side_request_with_another_prompt_changes_no_footprint(path: str) -> None:
    """Claude Code and others ask for titles under the name of the session."""
    fleet = CountingFleet()
    turns = list(_history(1, 4, _same))
    for messages, _ in turns[:3]:
        fleet.turn({"messages": messages}, key="agent", prompt=_tokens([json.dumps(one) for one in messages]))
    session = fleet.gate.sessions.get("agent")
    assert session is not None
    before, growth = session.footprint, fleet.gate.accounts.estimator.growth_tokens(0.0)
    side = [{"role": "system", "content": f"Write a {path}."}, {"role": "user", "content": text(30, path)}]
    fleet.turn({"messages": side}, key="agent", prompt=60, completion=10)
    messages, _ = turns[3]
    prompt = _tokens([json.dumps(one) for one in messages])
    assert fleet.turn({"messages": messages}, key="agent", prompt=prompt) == pytest.approx(1.0, rel=0.1)
    assert session.footprint == prompt + 50
    assert session.footprint > before
    assert fleet.gate.accounts.estimator.growth_tokens(0.0) == pytest.approx(growth, rel=0.1)
