"""Agents that measure what a user sees: when the first token comes, and when a session is done."""

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import httpx

from concur_proxy.lab.demo.workload import Script

PATH = "/v1/chat/completions"
RETRY_S = 1.0
"""A request that fails is sent again after this time, so each arm does the same work."""


@dataclass(frozen=True, slots=True)
class Naming:
    """How a request says which session it belongs to."""

    headers: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, object] = field(default_factory=dict)
    """Fields of its body."""


class Name(Protocol):
    """Names requests."""

    def __call__(self, script: Script, /, *, is_last: bool) -> Naming:
        """For a request of this agent. `is_last`: it is the agent's last and must end the session."""


@dataclass(slots=True, kw_only=True)
class Seen:
    """What the agents saw, in seconds."""

    agents: int
    finished: int = 0
    errors: int = 0
    first_error: str = ""
    first_token_s: list[float] = field(default_factory=list)
    """From sending a request to the first token of its answer, waiting included."""
    session_s: list[float] = field(default_factory=list)
    """From the start of an agent to its last answer. Without sub-agents."""
    makespan_s: float = 0.0


class Fleet:
    """Runs agents against an OpenAI-compatible server, all at once."""

    def __init__(self, url: str, model: str, name: Name, *, says_end: bool, release_path: str = "") -> None:
        """`says_end`: whether agents say that they have ended: in their last request, and at `release_path`, if any."""
        self._model, self._name, self._says_end, self._release_path = model, name, says_end, release_path
        self._client = httpx.AsyncClient(
            base_url=url,
            timeout=httpx.Timeout(600.0),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=4.0),
            trust_env=False,
        )

    async def run(self, scripts: Sequence[Script], *, most_s: float) -> Seen:
        """Run until the last agent has finished. After `most_s` seconds the rest is cancelled."""
        seen = Seen(agents=len(scripts))
        began = time.monotonic()
        try:
            async with self._client, asyncio.timeout(most_s), asyncio.TaskGroup() as group:
                for script in scripts:
                    group.create_task(self._live(script, seen, seen.session_s))
        except TimeoutError:
            pass
        seen.makespan_s = time.monotonic() - began
        seen.finished = len(seen.session_s)
        return seen

    async def _live(self, script: Script, seen: Seen, ended_s: list[float]) -> None:
        began = time.monotonic()
        messages = [{"role": "system", "content": script.system}]
        for turn in script.turns:
            messages.append({"role": "user", "content": turn.text})
            is_last = self._says_end and turn is script.turns[-1]
            text = await self._ask(self._name(script, is_last=is_last), messages, turn.answer_tokens, seen)
            messages.append({"role": "assistant", "content": text})
            if turn.children:
                await asyncio.gather(*(self._live(child, seen, []) for child in turn.children))
            await asyncio.sleep(turn.tool_s)
        ended_s.append(time.monotonic() - began)
        if self._says_end and self._release_path:
            await self._client.post(self._release_path, json={"program_id": script.name})

    async def _ask(self, naming: Naming, messages: list[dict[str, str]], answer_tokens: int, seen: Seen) -> str:
        body = {
            "model": self._model,
            "messages": messages,
            "max_tokens": answer_tokens,
            "ignore_eos": True,
            "stream": True,
            "stream_options": {"include_usage": True},
            **naming.fields,
        }
        began = time.monotonic()
        while True:
            try:
                return await self._stream(naming, body, began, seen)
            except (httpx.HTTPError, ValueError) as error:
                seen.errors += 1
                seen.first_error = seen.first_error or f"{type(error).__name__}: {error}"
                await asyncio.sleep(RETRY_S)

    async def _stream(self, naming: Naming, body: Mapping[str, object], began: float, seen: Seen) -> str:
        received, first_s = b"", None
        async with self._client.stream("POST", PATH, headers=naming.headers, json=body) as response:
            response.raise_for_status()
            async for chunk in response.aiter_bytes():
                received += chunk
                if first_s is None and any(map(_is_token, _events(received))):
                    first_s = time.monotonic() - began
        events = _events(received)
        if first_s is None or not events or events[-1] != "[DONE]":
            raise ValueError("the stream broke off")
        seen.first_token_s.append(first_s)
        return "".join(map(_text, events))


def _events(received: bytes) -> list[str]:
    """The data of the events that have come completely."""
    whole = received[: received.rfind(b"\n\n") + 1].decode()
    # the texts of a model with random weights also have other characters at which `splitlines` would split
    return [line.removeprefix("data: ") for line in whole.split("\n") if line.startswith("data: ")]


def _is_token(event: str) -> bool:
    """Both engines send the first event of an answer with its first token."""
    return event != "[DONE]" and bool(json.loads(event).get("choices"))


def _text(event: str) -> str:
    if event == "[DONE]":
        return ""
    value = json.loads(event)
    if "error" in value:
        raise ValueError(str(value["error"]))
    return "".join(choice["delta"].get("content") or "" for choice in value.get("choices", ()))
