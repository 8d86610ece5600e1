"""Agents as a framework runs them: each sends its history, waits for the answer, runs its tool and comes back."""

import asyncio
import json
import time
from dataclasses import dataclass, field
from typing import Literal

import httpx

from concur_proxy.lab.demo.workload import Script


@dataclass(slots=True, kw_only=True)
class Progress:
    """What the fleet has done so far; the display reads it while the fleet runs. Times are real seconds."""

    total_turns: int
    turns: int = 0
    finished_agents: int = 0
    in_flight: int = 0
    """Requests that have no answer yet."""
    failures: list[str] = field(default_factory=list)
    latencies_s: list[float] = field(default_factory=list)
    tools_late_s: list[float] = field(default_factory=list)
    """How much too long each tool call took, because this process did not get the CPU in time."""
    started_at: float = field(default_factory=time.monotonic)
    ended_at: float | None = None

    @property
    def elapsed_s(self) -> float:
        """Seconds since the start, or from start to end once the fleet has finished."""
        return (self.ended_at or time.monotonic()) - self.started_at


class AgentFleet:
    """Runs scripts against an OpenAI-compatible server, all agents at once."""

    def __init__(
        self,
        *,
        base_url: str,
        model: str,
        scripts: list[Script],
        time_scale: float,
        streams: bool = False,
        says_end: bool = False,
        names: Literal["agents", "requests", "nothing"] = "agents",
    ) -> None:
        """`streams`: whether answers are streamed. `says_end`: whether an agent's last request says that it is the
        last. `names`: what the header with the session id names: each agent, each request, or no such header is sent.
        """
        self._model = model
        self._scripts = scripts
        self._time_scale = time_scale
        self._streams = streams
        self._says_end = says_end
        self._names = names
        self._client = httpx.AsyncClient(
            base_url=base_url,
            timeout=httpx.Timeout(600.0),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=4.0),
            trust_env=False,
        )
        self.progress = Progress(total_turns=sum(len(script.turns) for script in scripts))

    async def run(self) -> Progress:
        """Run until the last agent has finished."""
        self.progress.started_at = time.monotonic()
        async with self._client, asyncio.TaskGroup() as group:
            for script in self._scripts:
                group.create_task(self._live(script))
        self.progress.ended_at = time.monotonic()
        return self.progress

    async def _live(self, script: Script) -> None:
        messages = [{"role": "system", "content": script.system}]
        for turn in script.turns:
            messages.append({"role": "user", "content": turn.text})
            ending = {"x-session-end": "true"} if self._says_end and turn is script.turns[-1] else {}
            answer = await self._ask(script, messages, turn.answer_tokens, ending)
            if answer is None:
                return
            messages.append({"role": "assistant", "content": answer})
            self.progress.turns += 1
            await self._use_tool(turn.tool_s / self._time_scale)
        self.progress.finished_agents += 1

    async def _use_tool(self, seconds: float) -> None:
        began = time.monotonic()
        await asyncio.sleep(seconds)
        self.progress.tools_late_s.append(time.monotonic() - began - seconds)

    async def _ask(
        self, script: Script, messages: list[dict[str, str]], answer_tokens: int, ending: dict[str, str]
    ) -> str | None:
        self.progress.in_flight += 1
        began = time.monotonic()
        try:
            response = await self._client.post(
                "/v1/chat/completions",
                headers={**self._named(script, len(messages)), **ending},
                json={
                    "model": self._model,
                    "messages": messages,
                    "max_tokens": answer_tokens,
                    "ignore_eos": True,
                    "stream": self._streams,
                },
            )
            response.raise_for_status()
            return _streamed(response) if self._streams else str(response.json()["choices"][0]["message"]["content"])
        except (httpx.HTTPError, KeyError, IndexError, ValueError) as error:
            self.progress.failures.append(f"{script.name}: {type(error).__name__}: {error}")
            return None
        finally:
            self.progress.in_flight -= 1
            self.progress.latencies_s.append(time.monotonic() - began)

    def _named(self, script: Script, messages: int) -> dict[str, str]:
        if self._names == "nothing":
            return {}
        return {"x-session-id": script.name if self._names == "agents" else f"{script.name}-{messages}"}


def _streamed(response: httpx.Response) -> str:
    """The text of a complete stream. Raises `ValueError` if the stream broke off."""
    events = [line.removeprefix("data: ") for line in response.text.splitlines() if line.startswith("data: ")]
    if not events or events.pop() != "[DONE]":
        raise ValueError("the stream broke off")
    choices = (choice for event in events for choice in json.loads(event).get("choices", ()))
    return "".join(choice["delta"].get("content") or "" for choice in choices)
