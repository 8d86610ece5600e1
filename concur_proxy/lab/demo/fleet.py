"""Agents as a framework runs them: each sends its history, waits for the answer, runs its tool and comes back."""

import asyncio
import json
import time
from dataclasses import dataclass, field
from typing import Any, Literal

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
    waits_s: list[float] = field(default_factory=list)
    """How long each request waited at the gateway; empty without one."""
    recomputed_tokens: int = 0
    """Prompt tokens that the engine computed although it had computed them before for the same agent."""
    tells_cached: bool = False
    """Whether answers report cached tokens. Otherwise `recomputed_tokens` is not known."""
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
        self.progress = Progress(total_turns=sum(script.all_turns for script in scripts))

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
        history_tokens = 0
        for turn in script.turns:
            messages.append({"role": "user", "content": turn.text})
            ending = {"x-session-end": "true"} if self._says_end and turn is script.turns[-1] else {}
            answer = await self._ask(script, messages, turn.answer_tokens, ending)
            if answer is None:
                return
            messages.append({"role": "assistant", "content": answer.text})
            self.progress.turns += 1
            if answer.cached_tokens is not None:
                self.progress.tells_cached = True
            self.progress.recomputed_tokens += max(0, history_tokens - (answer.cached_tokens or 0))
            history_tokens = answer.prompt_tokens + answer.completion_tokens
            if turn.children:
                await asyncio.gather(*map(self._live, turn.children))
            await self._use_tool(turn.tool_s / self._time_scale)
        self.progress.finished_agents += 1

    async def _use_tool(self, seconds: float) -> None:
        began = time.monotonic()
        await asyncio.sleep(seconds)
        self.progress.tools_late_s.append(time.monotonic() - began - seconds)

    async def _ask(
        self, script: Script, messages: list[dict[str, str]], answer_tokens: int, ending: dict[str, str]
    ) -> "_Answer | None":
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
            if (waited_s := response.headers.get("x-concur-queue-wait-s")) is not None:
                self.progress.waits_s.append(float(waited_s))
            return _Answer(text=_streamed(response)) if self._streams else _whole(response.json())
        except (httpx.HTTPError, KeyError, IndexError, ValueError) as error:
            self.progress.failures.append(f"{script.name}: {type(error).__name__}: {error}")
            return None
        finally:
            self.progress.in_flight -= 1
            self.progress.latencies_s.append(time.monotonic() - began)

    def _named(self, script: Script, messages: int) -> dict[str, str]:
        if self._names == "nothing" or not script.has_name:
            return {}
        if self._names == "requests":
            return {"x-session-id": f"{script.name}-{messages}"}
        family = {"x-parent-session-id": script.parent} if script.parent else {}
        return {"x-session-id": script.name, **family}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    text: str
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int | None = None


def _whole(body: dict[str, Any]) -> _Answer:
    usage = body.get("usage") or {}
    return _Answer(
        text=str(body["choices"][0]["message"]["content"]),
        prompt_tokens=int(usage.get("prompt_tokens") or 0),
        completion_tokens=int(usage.get("completion_tokens") or 0),
        cached_tokens=(usage.get("prompt_tokens_details") or {}).get("cached_tokens"),
    )


def _streamed(response: httpx.Response) -> str:
    """The text of a complete stream. Raises `ValueError` if the stream broke off."""
    events = [line.removeprefix("data: ") for line in response.text.splitlines() if line.startswith("data: ")]
    if not events or events.pop() != "[DONE]":
        raise ValueError("the stream broke off")
    choices = (choice for event in events for choice in json.loads(event).get("choices", ()))
    return "".join(choice["delta"].get("content") or "" for choice in choices)
