"""How every worker gets the state for the next leader: the leader sends changes to all, and everything to new ones."""

import asyncio
import logging
import math
from collections.abc import Generator
from contextlib import suppress

from concur_proxy.coordination.group.member import SAVED_AT_ONCE, Member
from concur_proxy.coordination.workers.connection import Connection, Kept
from concur_proxy.coordination.workers.kept import KeptSessions, encoded
from concur_proxy.coordination.workers.link import WorkerLink
from concur_proxy.turns import in_turns

logger = logging.getLogger(__name__)

KEEP_S = 0.25
"""Seconds between two times at which the followers get the state for the next leader."""


class Keeping:
    """What this worker knows of the state for the next leader. While it leads, it keeps the others up to date."""

    def __init__(self, member: Member, link: WorkerLink) -> None:
        self.sessions = KeptSessions()
        self._member = member
        self._link = link
        self._is_due = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """This worker leads: send its followers the state from now on."""
        self._task = asyncio.create_task(self._keep_on())

    def cancel(self) -> list[asyncio.Task[None]]:
        """This worker does not lead any more. Returns what is to be awaited."""
        task, self._task = self._task, None
        if task is None:
            return []
        task.cancel()
        return [task]

    def hurry(self) -> None:
        """Send the state at once."""
        self._is_due.set()

    async def _keep_on(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(KEEP_S):
                    await self._is_due.wait()
            self._is_due.clear()
            try:
                await in_turns(self.keep())
            except Exception:
                logger.exception("unexpected error, a defect in concur-proxy; continuing")

    def keep(self) -> Generator[None, None, None]:
        """Send the followers the present state, in steps."""
        member = self._member
        member.publish()
        for _ in range(math.ceil(len(member.changes) / SAVED_AT_ONCE)):
            records = encoded(member.take_changes())
            self.sessions.take(records)
            self._link.broadcast(Kept(records=records))
            yield

    async def pass_on(self, connection: Connection) -> None:
        """Send a new follower what is known, as fast as it reads. Changes are broadcast meanwhile."""
        for records in self.sessions.parts():
            connection.send(Kept(records=records))
            if not await connection.drained():
                return
