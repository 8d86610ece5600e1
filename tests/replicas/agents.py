"""Agents that send each turn to any replica, and try again as an SDK does."""

import asyncio
import time
from collections.abc import Sequence
from random import Random

from concur_proxy.lab.demo.workload import Script, ScriptTurn
from tests.replicas.client import Failed, send
from tests.replicas.server import Server
from tests.replicas.tally import TRIES, Failure, Tally

CHAT = "/v1/chat/completions"


class Agents:
    """Runs scripts at the same time, each as one agent. Every second answer is streamed."""

    def __init__(
        self, replicas: Sequence[Server], scripts: Sequence[Script], *, endless: bool = False, seed: int = 1
    ) -> None:
        """With `endless`, an agent whose session is over starts another one, until `stop`."""
        self.tally = Tally()
        self.replicas = replicas
        """Those that get the next requests."""
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
        began, replica = time.monotonic(), self._random.choice(self.replicas)
        for _ in range(TRIES):
            try:
                await send(replica.port, "POST", CHAT, headers=headers, body=body)
            except Failed as failed:
                failure = _failure(replica, failed)
                self.tally.failures.append(failure)
                if not failure.may_retry:
                    break
                await asyncio.sleep(failure.delay_s)
                replica = self._other(replica)
                continue
            self.tally.answered(time.monotonic(), began)
            return True
        self.tally.given_up.append(name)
        return False

    def _other(self, replica: Server) -> Server:
        others = [other for other in self.replicas if other is not replica]
        return self._random.choice(others) if others else replica


def _failure(replica: Server, failed: Failed) -> Failure:
    return Failure(
        at=time.monotonic(),
        replica=replica,
        kind=failed.kind,
        status=failed.status,
        retry_after_s=failed.retry_after_s,
        detail=str(failed),
    )
