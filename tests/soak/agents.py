"""Agents of three tenants, in families, some of which leave. They can be paused, to count what is left open."""

import asyncio
import json
import time
from collections.abc import Sequence
from random import Random

from tests.replicas.agents import CHAT
from tests.replicas.server import Server
from tests.replicas.tally import TRIES, Failure, Tally
from tests.soak.canaries import KEYS, PROMPT
from tests.soak.client import Leave, Seen, attempt

FAMILY = 4
TURNS = 4
LEAVING = 0.1
WAYS: tuple[Leave, ...] = ("FIN", "RST", "silence")
TOOL_S = (0.3, 1.5)


class Agents:
    """Endless agents. Every second answer is streamed, and each turn goes to any replica."""

    def __init__(self, replicas: Sequence[Server], count: int, *, seed: int = 1) -> None:
        self.tally = Tally()
        self.open = 0
        """Attempts in flight."""
        self._replicas = replicas
        self.count = count
        self._random = Random(seed)
        self._may_ask = asyncio.Event()
        self._may_ask.set()
        self._roots: dict[int, str] = {}

    async def run(self) -> None:
        """Run until this is cancelled."""
        async with asyncio.TaskGroup() as group:
            for number in range(self.count):
                group.create_task(self._live(number))

    def pause(self) -> None:
        """Begin no further attempt."""
        self._may_ask.clear()

    def resume(self) -> None:
        """End the pause."""
        self._may_ask.set()

    async def _live(self, number: int) -> None:
        tenant = sorted(KEYS)[number // FAMILY % len(KEYS)]
        root = number - number % FAMILY
        await asyncio.sleep(self._random.uniform(0.0, 2.0))
        session = 0
        while True:
            session += 1
            name = f"{tenant}-{number}-{session}"
            headers = f"x-session-id: {name}\r\n"
            if number == root:
                self._roots[root] = name
            elif root in self._roots:
                headers += f"x-parent-session-id: {self._roots[root]}\r\n"
            await self._session(tenant, name, headers)

    async def _session(self, tenant: str, name: str, headers: str) -> None:
        messages = [{"role": "system", "content": f"{PROMPT} of {tenant}, one of a fleet of agents"}]
        for turn in range(TURNS):
            messages.append({"role": "user", "content": f"{name} turn {turn} " + "read file test fails " * 20})
            is_last = turn == TURNS - 1
            more = headers + ("x-session-end: true\r\n" if is_last else "")
            if not await self._ask(tenant, f"{name} turn {turn}", more, messages):
                return
            messages.append({"role": "assistant", "content": "done"})
            await asyncio.sleep(self._random.uniform(*TOOL_S))

    async def _ask(self, tenant: str, proof: str, headers: str, messages: list[dict[str, str]]) -> bool:
        """Ask until there is an answer. Returns False if the session ends without one."""
        body = {"model": "emulated", "messages": messages, "max_tokens": 8, "stream": self._random.random() < 0.5}
        request = post(tenant, body, headers)
        leave: Leave = self._random.choice(WAYS) if self._random.random() < LEAVING else ""
        replica = self._random.choice(self._replicas)
        began = time.monotonic()
        for _ in range(TRIES):
            await self._may_ask.wait()
            self.open += 1
            try:
                seen = await attempt(replica.port, request, proof=proof, leave=leave)
            finally:
                self.open -= 1
            if seen.kind == "left":
                self.tally.left[leave] += 1
                return False
            if seen.kind == "whole":
                self.tally.answered(time.monotonic(), began, tenant)
                return True
            failure = self.note(replica, seen)
            if not failure.may_retry:
                break
            await asyncio.sleep(failure.delay_s)
            replica = self._random.choice([other for other in self._replicas if other is not replica])
        self.tally.given_up.append(proof)
        return False

    def note(self, replica: Server, seen: Seen) -> Failure:
        """Count an attempt that failed."""
        assert seen.kind != "whole"
        assert seen.kind != "left"
        failure = Failure(
            at=time.monotonic(),
            replica=replica,
            kind=seen.kind,
            status=seen.status,
            retry_after_s=seen.retry_after_s,
            detail=seen.detail,
        )
        self.tally.failures.append(failure)
        return failure


def post(tenant: str, body: object, headers: str = "") -> bytes:
    """A chat request of a tenant."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return (
        f"POST {CHAT} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n{headers}"
        f"Authorization: Bearer {KEYS[tenant]}\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
    ).encode() + data
