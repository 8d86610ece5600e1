"""Who of the workers leads. The first one that finds nobody leading does; when it ends, another one leads at once.

Two other designs were weighed. A parent process that decides would be one more process between any request and its
engine, and nothing could decide while it restarts. A parent that passes messages on, as Redis does, costs each message
two more system calls. So the leader is a worker, its followers are connected with it directly, and the state for the
next leader is kept by every follower.
"""

import asyncio
import logging
import secrets
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, cast, get_args

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
from concur_proxy.coordination.workers.keeping import Keeping
from concur_proxy.coordination.workers.link import WorkerLink
from concur_proxy.coordination.workers.responses import ResponsesOfWorkers
from concur_proxy.coordination.workers.seeking import Seeking
from concur_proxy.steps import finish
from concur_proxy.turns import in_turns

logger = logging.getLogger(__name__)

_OF_WORKERS = frozenset(get_args(OfWorkers))

START_S = 2.0
"""How long a worker waits for a leader before it accepts clients. It serves without one, but their requests wait."""
FAREWELL_S = 1.0
"""How long a worker that stops tries to send its last messages, seconds."""


class WorkersUpkeep:
    """Leads the other workers, or follows the one that leads."""

    def __init__(self, member: Member, link: WorkerLink, responses: ResponsesOfWorkers, door: Door) -> None:
        self._member = member
        self._link = link
        self._responses = responses
        self._door = door
        self._keeping = Keeping(member, link)
        self._seeking = Seeking(door, link.me, connect=self._connection, has_led=self._has_led)
        self._present: frozenset[str] = frozenset()
        """The workers that follow, as the leader last reported them. A leader that stops leading, and still answers
        requests, is one of them.
        """
        self._term = Term("", frozenset())
        self._tasks: set[asyncio.Task[None]] = set()
        """Short ones, which end by themselves."""
        responses.share = self._share

    @property
    def is_leaving(self) -> bool:
        """Whether this worker is stopping. It does not lead any more."""
        return not self._seeking.may_lead

    async def start(self) -> None:
        """Lead, or follow the worker that leads."""
        self._seek()
        is_settled = self._seeking.is_settled
        with suppress(TimeoutError):
            async with asyncio.timeout(START_S):
                await is_settled.wait()
        if not is_settled.is_set():
            logger.warning("the worker that leads does not answer: requests wait for it")
            self._member.follow(Term("", frozenset()))

    async def stop(self) -> None:
        """Hand the sessions over to the other workers, so that another one can lead at once."""
        self._seeking.may_lead = False
        parted = self._hand_over(stays=False) if self._member.role is Role.LEADING else self._part()
        with suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL_S):
                await asyncio.gather(*(connection.ended() for connection in parted))
        await self.vanish()

    async def vanish(self) -> None:
        """Stop without a message to the other workers."""
        if self._member.role is Role.LEADING:
            asyncio.get_running_loop().remove_reader(self._door.fileno())
        await asyncio.gather(*self._seeking.cancel(), *self._keeping.cancel(), return_exceptions=True)
        self._seeking.stop_knocking()
        for connection in self._link.part():
            connection.abort()
        self._door.give_up_lead()

    def leave(self) -> None:
        """Do not lead any more. Another worker does, as soon as the present messages are sent."""
        self._seeking.may_lead = False
        if self._member.role is Role.LEADING:
            asyncio.get_running_loop().call_soon(self._retire)

    def hurry(self) -> None:
        """Send the state for the next leader at once."""
        self._keeping.hurry()

    # -- who leads

    def _seek(self) -> None:
        self._seeking.begin(is_new=not self._term.name)

    def _connection(self) -> Connection:
        return Connection(self._on_messages, self._on_lost)

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
            self._keeping.sessions.clear()
            self._door.give_up_lead()
            return False
        return True

    async def _lead(self, number: int) -> None:
        self._seeking.stop_knocking()
        member, me = self._member, self._link.me
        gone = "" if self._term.leader in self._present else self._term.leader
        name = term_name(number, secrets.token_hex(4), me)
        self._term = Term(name, (self._present | {me}) - {gone})
        records = await in_turns(self._keeping.sessions.decoded())
        await in_turns(member.leading(self._term, member.standing, records, gone=gone))
        self._keeping.begin()
        asyncio.get_running_loop().add_reader(self._door.fileno(), self._on_knock)
        self._seeking.lead()
        if self.is_leaving:  # this worker began to stop meanwhile
            self._retire()

    def _on_knock(self) -> None:
        for visitor in self._door.visitors():
            self._begin_task(self._connection().accept(visitor))

    def _retire(self) -> None:
        if self._member.role is Role.LEADING:
            self._hand_over(stays=True)
            self._member.follow(Term("", frozenset()))
            self._seek()

    def _hand_over(self, *, stays: bool) -> list[Connection]:
        """Stop leading. `stays`: this worker follows the next leader, which waits for its claims."""
        try:
            finish(self._keeping.keep())
        except Exception:
            logger.exception("unexpected error, a defect in concur-proxy; the next leader knows less")
        if stays:
            self._link.broadcast(Present(replicas=(*self._link.followers, self._link.me)))
        asyncio.get_running_loop().remove_reader(self._door.fileno())
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
        if self._seeking.remove(connection):
            return
        if connection is self._link.leader:
            self._link.leader = None
            self._member.follow(Term("", frozenset()))
            self._seek()
        elif self._link.remove(connection):
            self._member.lose(connection.peer)
            self._link.broadcast(Present(replicas=tuple(self._link.followers)))

    # -- messages

    def _on_messages(self, connection: Connection, messages: Sequence[AnyMessage]) -> None:
        common = cast("Sequence[ToLeader | ToReplica]", messages)
        if not _OF_WORKERS.isdisjoint(map(type, messages)):
            for message in messages:
                if isinstance(message, OfWorkers):
                    self._take(connection, message)
            common = [message for message in messages if not isinstance(message, OfWorkers)]
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
                self._keeping.sessions.take(message.records)
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
        self._begin_task(self._keeping.pass_on(connection))
        connection.send(Learned(responses=self._responses.known()))
        self._link.broadcast(Present(replicas=tuple(self._link.followers)))

    def _begin_task(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _follow(self, connection: Connection, term: str) -> None:
        self._link.leader = connection
        self._keeping.sessions.clear()
        self._term = Term(term, frozenset())
        self._seeking.follow()
        self._member.follow(self._term)
        connection.send(Learned(responses=self._responses.known()))  # the last leader may have lost some

    def _share(self, responses: Mapping[str, StoredResponse]) -> None:
        message = Learned(responses=dict(responses))
        if self._member.role is Role.LEADING:
            self._link.broadcast(message)
        else:
            self._link.send(message)
