"""Who of the workers leads. The first one that finds nobody leading does; when it ends, another one leads at once.

Two other designs were weighed. A parent process that decides would be one more process between any request and its
engine, and nothing could decide while it restarts. A parent that passes messages on, as Redis does, costs each message
two more system calls. So the leader is a worker, its followers are connected with it directly, and the state for the
next leader is kept by every follower.
"""

import asyncio
import logging
import secrets
import socket
import time
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from concur_proxy.coordination.coordinator import Role
from concur_proxy.coordination.group.member import Member
from concur_proxy.coordination.group.term import Term, term_name
from concur_proxy.coordination.protocol.messages import ToLeader, ToReplica
from concur_proxy.coordination.responses import StoredResponse
from concur_proxy.coordination.workers.connection import (
    AnyMessage,
    Connection,
    Hello,
    Kept,
    Learned,
    OfWorkers,
    Present,
    Welcome,
)
from concur_proxy.coordination.workers.door import Door
from concur_proxy.coordination.workers.kept import KeptSessions, encoded
from concur_proxy.coordination.workers.link import WorkerLink
from concur_proxy.coordination.workers.responses import ResponsesOfWorkers
from concur_proxy.turns import in_turns

logger = logging.getLogger(__name__)

RETRY_S = 0.02
"""How often a worker that follows nobody tries to lead. The kernel closes the connections of a process that ends before
it frees the lock.
"""
NEW_S = 0.5
"""How long a new worker leaves the lead to those that have the state of the last leader, seconds."""
START_S = 2.0
"""How long a worker waits for a leader before it accepts clients. It serves without one, but their requests wait."""
KEEP_S = 0.25
"""Seconds between two times at which the followers get the state for the next leader."""
FAREWELL_S = 1.0
"""How long a worker that stops tries to send its last messages, seconds."""


class WorkersUpkeep:
    """Leads the other workers, or follows the one that leads."""

    def __init__(self, member: Member, link: WorkerLink, responses: ResponsesOfWorkers, door: Door) -> None:
        self.is_leaving = False
        self._member = member
        self._link = link
        self._responses = responses
        self._door = door
        self._kept = KeptSessions()
        self._present: frozenset[str] = frozenset()
        """The workers that follow, as the leader last reported them. A leader that stops leading, and still answers
        requests, is one of them.
        """
        self._term = Term("", frozenset())
        self._knocking: Connection | None = None
        """A connection on which the leader has not answered yet."""
        self._is_settled = asyncio.Event()
        """Set while this worker leads or follows a leader."""
        self._is_due = asyncio.Event()
        self._seeking: asyncio.Task[None] | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        """Short ones, which end by themselves."""
        responses.share = self._share

    async def start(self) -> None:
        """Lead, or follow the worker that leads."""
        self._seek()
        with suppress(TimeoutError):
            async with asyncio.timeout(START_S):
                await self._is_settled.wait()
        if not self._is_settled.is_set():
            logger.warning("the worker that leads does not answer: requests wait for it")
            self._member.follow(Term("", frozenset()))

    async def stop(self) -> None:
        """Hand the sessions over to the other workers, so that another one can lead at once."""
        self.is_leaving = True
        parted = self._hand_over(stays=False) if self._member.role is Role.LEADING else self._part()
        with suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL_S):
                await asyncio.gather(*(connection.ended() for connection in parted))
        await self.vanish()

    async def vanish(self) -> None:
        """Stop without a message to the other workers."""
        if self._member.role is Role.LEADING:
            asyncio.get_running_loop().remove_reader(self._door.fileno())
        tasks = [task for task in (self._seeking, self._keeping) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._stop_knocking()
        for connection in self._link.part():
            connection.abort()
        self._door.give_up_lead()

    def leave(self) -> None:
        """Do not lead any more. Another worker does, as soon as the present messages are sent."""
        self.is_leaving = True
        if self._member.role is Role.LEADING:
            asyncio.get_running_loop().call_soon(self._retire)

    def hurry(self) -> None:
        """Send the state for the next leader at once."""
        self._is_due.set()

    # -- who leads

    def _seek(self) -> None:
        self._is_settled.clear()
        self._seeking = asyncio.create_task(self._keep_seeking())

    async def _keep_seeking(self) -> None:
        is_new = not self._term.name and self._door.term > 0
        may_lead_at = time.monotonic() + (NEW_S if is_new else 0.0)
        while not self._is_settled.is_set():
            may_lead = not self.is_leaving and time.monotonic() >= may_lead_at
            if may_lead and (number := self._door.take_lead()) is not None and await self._has_led(number):
                return
            if self._knocking is None:
                with suppress(OSError):  # too many connections wait at the door
                    await self._knock(self._door.knock())
            with suppress(TimeoutError):
                async with asyncio.timeout(RETRY_S):
                    await self._is_settled.wait()

    async def _knock(self, sock: socket.socket) -> None:
        connection = Connection(self._on_messages, self._on_lost)
        connection.send(Hello(name=self._link.me))
        self._knocking = connection
        await asyncio.get_running_loop().create_unix_connection(lambda: connection, sock=sock)

    def _stop_knocking(self) -> None:
        if self._knocking is not None:
            self._knocking.abort()
            self._knocking = None

    async def _has_led(self, number: int) -> bool:
        """Lead. After an unexpected error this worker tries again, without the sessions of the last leader: as long as
        it has the right to lead, no other worker can serve.
        """
        try:
            await self._lead(number)
        except Exception:
            logger.exception(
                "unexpected error, a defect in concur-proxy; the sessions of the last leader are forgotten"
            )
            self._kept.clear()
            self._door.give_up_lead()
            return False
        return True

    async def _lead(self, number: int) -> None:
        self._stop_knocking()
        member, me = self._member, self._link.me
        gone = "" if self._term.leader in self._present else self._term.leader
        name = term_name(number, secrets.token_hex(4), me)
        self._term = Term(name, (self._present | {me}) - {gone})
        records = await in_turns(self._kept.decoded())
        await in_turns(member.leading(self._term, member.standing, records, gone=gone))
        self._keeping = asyncio.create_task(self._keep_keeping())
        asyncio.get_running_loop().add_reader(self._door.fileno(), self._on_knock)
        self._is_settled.set()
        if self.is_leaving:  # this worker began to stop meanwhile
            self._retire()

    def _on_knock(self) -> None:
        for visitor in self._door.visitors():
            connection = Connection(self._on_messages, self._on_lost)
            self._begin_task(_accept(connection, visitor))

    def _retire(self) -> None:
        if self._member.role is Role.LEADING:
            self._hand_over(stays=True)
            self._member.follow(Term("", frozenset()))
            self._seek()

    def _hand_over(self, *, stays: bool) -> list[Connection]:
        """Stop leading. `stays`: this worker follows the next leader, which waits for its claims."""
        self._keep()
        if stays:
            self._link.broadcast(Present(replicas=(*self._link.followers, self._link.me)))
        asyncio.get_running_loop().remove_reader(self._door.fileno())
        if self._keeping is not None:
            self._keeping.cancel()
        self._door.give_up_lead()  # before its followers notice that it does not lead
        return self._part()

    def _part(self) -> list[Connection]:
        parted = self._link.part()
        for connection in parted:
            connection.close()
        return parted

    def _on_lost(self, connection: Connection) -> None:
        self._member.inbox.after(partial(self._part_with, connection))  # it may have sent thousands of messages before

    def _part_with(self, connection: Connection) -> None:
        if connection is self._knocking:
            self._knocking = None
        elif connection is self._link.leader:
            self._link.leader = None
            self._member.follow(Term("", frozenset()))
            self._seek()
        elif self._link.remove(connection):
            self._member.lose(connection.peer)
            self._link.broadcast(Present(replicas=tuple(self._link.followers)))

    # -- messages

    def _on_messages(self, connection: Connection, messages: Sequence[AnyMessage]) -> None:
        common: list[ToLeader | ToReplica] = []
        for message in messages:
            if isinstance(message, OfWorkers):
                self._take(connection, message)
            else:
                common.append(message)
        if common:
            self._member.inbox.put(connection.peer, common)

    def _take(self, connection: Connection, message: OfWorkers) -> None:
        match message:
            case Hello():
                self._welcome(connection, message.name)
            case Welcome():
                self._follow(connection, message.term)
            case Present():
                self._present = frozenset(message.replicas)
            case Kept():
                self._kept.take(message.records)
            case Learned():
                new = self._responses.take(message.responses)
                if new and self._member.role is Role.LEADING:
                    self._link.broadcast(Learned(responses=new), but=connection)

    def _welcome(self, connection: Connection, name: str) -> None:
        knocked_before_it_led = name == self._link.me
        if knocked_before_it_led or self.is_leaving or self._member.role is not Role.LEADING:
            connection.abort()  # another worker knocks again, and reaches the next leader
            return
        connection.peer = name
        self._link.add(connection)
        connection.send(Welcome(term=self._term.name))
        self._begin_task(self._pass_on_kept(connection))
        connection.send(Learned(responses=self._responses.known()))
        self._link.broadcast(Present(replicas=tuple(self._link.followers)))

    async def _pass_on_kept(self, connection: Connection) -> None:
        """Send a new follower the state for the next leader, as fast as it reads. Changes are broadcast meanwhile."""
        for records in self._kept.parts():
            connection.send(Kept(records=records))
            if not await connection.drained():
                return

    def _begin_task(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _follow(self, connection: Connection, term: str) -> None:
        self._knocking = None
        self._link.leader = connection
        self._kept.clear()
        self._term = Term(term, frozenset())
        self._is_settled.set()
        self._member.follow(self._term)
        connection.send(Learned(responses=self._responses.known()))  # the last leader may have lost some

    def _share(self, responses: Mapping[str, StoredResponse]) -> None:
        message = Learned(responses=dict(responses))
        if self._member.role is Role.LEADING:
            self._link.broadcast(message)
        else:
            self._link.send(message)

    # -- state for the next leader

    async def _keep_keeping(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(KEEP_S):
                    await self._is_due.wait()
            self._is_due.clear()
            try:
                self._keep()
            except Exception:
                logger.exception("unexpected error, a defect in concur-proxy; continuing")

    def _keep(self) -> None:
        member = self._member
        member.publish()
        records = encoded(member.take_changes())
        self._kept.take(records)
        if records:
            self._link.broadcast(Kept(records=records))


async def _accept(connection: Connection, visitor: socket.socket) -> None:
    with suppress(OSError):  # it has gone again
        await asyncio.get_running_loop().connect_accepted_socket(lambda: connection, visitor)
