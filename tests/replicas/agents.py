"""Agents that send each turn to any replica, and try again as an SDK does."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from concur_proxy.lab.demo.workload import Script, ScriptTurn
from tests.replicas.client import Failed, Kind, send
from tests.replicas.server import Server

RETRY_STATUSES = frozenset({408, 409, 429, 500, 502, 503, 504})
"""Statuses after which the OpenAI and Anthropic SDKs try again."""
RETRY_DELAY_S = 0.5
"""The first delay of the SDKs, if the answer asks for none."""
TRIES = 8
CHAT = "/v1/chat/completions"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """An attempt without an answer."""

    at: float
    replica: Server
    kind: Kind
    status: int
    has_retry_after: bool
    detail: str


@dataclass(slots=True, kw_only=True)
class Tally:
    """What the agents have seen. Times are those of `time.monotonic`."""

    answered_at: list[float] = field(default_factory=list)
    """When each whole answer had come, in order."""
    failures: list[Failure] = field(default_factory=list)
    given_up: list[str] = field(default_factory=list)
    """Requests for which all attempts failed."""
    finished: int = 0
    """Sessions that had all their turns."""
    longest_s: float = 0.0
    """The longest time from a request to its answer, over all its attempts."""


class Agents:
    """Runs scripts at the same time, each as one agent. Every second answer is streamed."""

    def __init__(
        self, replicas: Sequence[Server], scripts: Sequence[Script], *, endless: bool = False, seed: int = 1
    ) -> None:
        """With `endless`, an agent whose session is over starts another one, until `stop`."""
        self.tally = Tally()
        self._replicas = replicas
        self._scripts = scripts
        self._endless = endless
        self._random = Random(seed)
        self._is_stopping = False
        self.living = 0
        """Agents that have not finished."""

    def stop(self) -> None:
        """Let each session end with its next turn."""
        self._is_stopping = True

    async def run(self) -> Tally:
        """Run until the last agent has finished."""
        async with asyncio.TaskGroup() as group:
            for script in self._scripts:
                group.create_task(self._live(script))
        return self.tally

    async def _live(self, script: Script) -> None:
        self.living += 1
        number = 0
        while not self._is_stopping:
            await self._session(f"{script.name}-{number}", script)
            number += 1
            if not self._endless:
                break
        self.living -= 1

    async def _session(self, name: str, script: Script) -> None:
        messages = [{"role": "system", "content": script.system}]
        for turn in script.turns:
            messages.append({"role": "user", "content": turn.text})
            is_last = self._is_stopping or turn is script.turns[-1]
            if not await self._ask(name, messages, turn, is_last=is_last):
                return
            if is_last:
                break
            messages.append({"role": "assistant", "content": "done"})
            await asyncio.sleep(turn.tool_s)
        self.tally.finished += 1

    async def _ask(self, name: str, messages: list[dict[str, str]], turn: ScriptTurn, *, is_last: bool) -> bool:
        body = {
            "model": "emulated",
            "messages": messages,
            "max_tokens": turn.answer_tokens,
            "stream": self._random.random() < 0.5,
        }
        headers = f"x-session-id: {name}\r\n" + ("x-session-end: true\r\n" if is_last else "")
        began, replica = time.monotonic(), self._random.choice(self._replicas)
        for _ in range(TRIES):
            try:
                await send(replica.port, "POST", CHAT, headers=headers, body=body)
            except Failed as failed:
                self._note(replica, failed)
                if failed.kind == "status" and failed.status not in RETRY_STATUSES:
                    break
                await asyncio.sleep(_delay_s(failed))
                replica = self._other(replica)
                continue
            now = time.monotonic()
            self.tally.answered_at.append(now)
            self.tally.longest_s = max(self.tally.longest_s, now - began)
            return True
        self.tally.given_up.append(name)
        return False

    def _other(self, replica: Server) -> Server:
        others = [other for other in self._replicas if other is not replica]
        return self._random.choice(others) if others else replica

    def _note(self, replica: Server, failed: Failed) -> None:
        self.tally.failures.append(
            Failure(
                at=time.monotonic(),
                replica=replica,
                kind=failed.kind,
                status=failed.status,
                has_retry_after=failed.retry_after_s is not None,
                detail=str(failed),
            )
        )


def _delay_s(failed: Failed) -> float:
    if failed.kind == "refused":
        return 0.05  # nothing was sent, so try the next replica, as a load balancer does
    return RETRY_DELAY_S if failed.retry_after_s is None else failed.retry_after_s
