"""Agents as a framework runs them: each sends its history, waits for the answer, calls its tool, and comes back."""

import asyncio
import json
import time
from dataclasses import dataclass, field

import httpx

from concur_proxy.lab.demo.workload import Script


@dataclass(slots=True, kw_only=True)
class Progress:
    """What the fleet has done so far; read by the display while the fleet runs."""

    total_turns: int
    turns: int = 0
    finished_agents: int = 0
    waiting: int = 0
    """Requests on their way."""
    failures: list[str] = field(default_factory=list)
    latencies_s: list[float] = field(default_factory=list)
    started_at: float = field(default_factory=time.monotonic)
    ended_at: float | None = None

    @property
    def elapsed_s(self) -> float:
        """Seconds since the start, up to the end."""
        return (self.ended_at or time.monotonic()) - self.started_at


class Fleet:
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
    ) -> None:
        """`streams`: whether the answers come token by token. `says_end`: whether an agent's last request is said to be
        its last.
        """
        self._model = model
        self._scripts = scripts
        self._time_scale = time_scale
        self._streams = streams
        self._says_end = says_end
        self._client = httpx.AsyncClient(
            base_url=base_url,
            timeout=httpx.Timeout(600.0),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=4.0),
            trust_env=False,
        )
        self.progress = Progress(total_turns=sum(len(script.turns) for script in scripts))

    async def run(self) -> Progress:
        """Until the last agent has finished; the progress is the result."""
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
            await asyncio.sleep(turn.tool_s / self._time_scale)
        self.progress.finished_agents += 1

    async def _ask(
        self, script: Script, messages: list[dict[str, str]], answer_tokens: int, ending: dict[str, str]
    ) -> str | None:
        self.progress.waiting += 1
        began = time.monotonic()
        try:
            response = await self._client.post(
                "/v1/chat/completions",
                headers={"x-session-id": script.name, **ending},
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
            self.progress.waiting -= 1
            self.progress.latencies_s.append(time.monotonic() - began)


def _streamed(response: httpx.Response) -> str:
    """The text of a stream that has ended; `ValueError` for one that broke off."""
    events = [line.removeprefix("data: ") for line in response.text.splitlines() if line.startswith("data: ")]
    if not events or events.pop() != "[DONE]":
        raise ValueError("the stream broke off")
    choices = (choice for event in events for choice in json.loads(event).get("choices", ()))
    return "".join(choice["delta"].get("content") or "" for choice in choices)
